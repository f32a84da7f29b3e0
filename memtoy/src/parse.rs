//! Parses commands. The whole script is checked before any of it runs.

use crate::{
    advice::Advice,
    command::{Command, USAGES, Usage},
    cpus::Cpus,
    policy::{Mode, Nodes},
    size::{Extent, Size},
};

/// A checked script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The file's name, for messages.
    pub name: String,
    pub steps: Vec<Step>,
}

/// One line with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Counted from 1.
    pub line: usize,
    pub command: Command,
    /// The line began with `!`: its syscall must fail.
    pub fails: bool,
    /// The command in full: what a recording stores.
    pub text: String,
}

/// An error in a line of a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{script}:{line}: {message}")]
pub struct InputError {
    pub script: String,
    pub line: usize,
    pub message: String,
}

/// Checks a whole script.
///
/// # Errors
/// The first line with an error.
pub fn parse(name: &str, text: &str) -> Result<Script, InputError> {
    let mut steps = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        steps.extend(parse_line(name, line, text)?);
    }
    Ok(Script { name: name.to_owned(), steps })
}

/// Checks one line of `script`. Returns `None` for a line without a command.
///
/// # Errors
/// The line is not a valid command.
pub fn parse_line(script: &str, line: usize, text: &str) -> Result<Option<Step>, InputError> {
    let text = text.split('#').next().unwrap_or_default().trim();
    let (fails, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()));
    if text.is_empty() && !fails {
        return Ok(None);
    }
    let command = command(text).map_err(|message| InputError { script: script.to_owned(), line, message })?;
    let text = format!("{}{command}", if fails { "!" } else { "" });
    Ok(Some(Step { line, command, fails, text }))
}

/// Finds the command that `word` names or abbreviates.
pub(crate) fn find(word: &str) -> Result<&'static Usage, String> {
    if let Some(exact) = USAGES.iter().find(|u| u.name == word) {
        return Ok(exact);
    }
    let candidates = USAGES.iter().filter(|u| !word.is_empty() && u.name.starts_with(word)).collect::<Vec<_>>();
    match candidates.as_slice() {
        [] => Err(format!("unknown command {word:?}; `help` lists them")),
        [one] => Ok(one),
        several => {
            let names = several.iter().map(|u| u.name).collect::<Vec<_>>().join(", ");
            Err(format!("ambiguous command {word:?}: {names}"))
        }
    }
}

fn command(text: &str) -> Result<Command, String> {
    let words = text.split_whitespace().collect::<Vec<_>>();
    let Some((&first, rest)) = words.split_first() else { return Err("no command after !".to_owned()) };
    let usage = find(first)?;
    let mut words = Words { usage, rest };
    let command = arguments(&mut words)?;
    match words.rest {
        [] => Ok(command),
        [extra, ..] => Err(words.wrong(&format!("unexpected argument {extra:?}"))),
    }
}

fn arguments(words: &mut Words<'_>) -> Result<Command, String> {
    Ok(match words.usage.name {
        "anon" => Command::Anon {
            name: words.name()?,
            size: Size::parse(words.need("size")?)?,
            shared: words.choice(&["private", "shared"]) == Some("shared"),
            huge: words.choice(&["huge"]).is_some(),
        },
        "map" => Command::Map { name: words.name()? },
        "unmap" => Command::Unmap { name: words.name()? },
        "remove" => Command::Remove { name: words.name()? },
        "touch" => Command::Touch { name: words.name()?, extent: words.extent()?, write: words.write() },
        "loop" => Command::Loop {
            ms: words.count("milliseconds")?,
            name: words.name()?,
            extent: words.extent()?,
            write: words.write(),
        },
        "verify" => Command::Verify { name: words.name()?, extent: words.extent()? },
        "mbind" => {
            let (name, extent) = (words.name()?, words.extent()?);
            let mode = Mode::parse(words.need("policy")?)?;
            let nodes = words.nodes()?;
            mode.check_nodes(nodes.as_ref())?;
            Command::Mbind { name, extent, mode, nodes }
        }
        "move" => {
            let (name, extent) = (words.name()?, words.extent()?);
            if words.choice(&["to"]).is_none() {
                return Err(words.wrong("missing `to <nodes>`"));
            }
            Command::Move { name, extent, nodes: Nodes::parse(words.need("nodes")?)? }
        }
        "madvise" => Command::Madvise {
            name: words.name()?,
            extent: words.extent()?,
            advice: Advice::parse(words.need("advice")?)?,
        },
        "pin" => Command::Pin {
            name: words.name()?,
            extent: words.extent()?,
            longterm: words.choice(&["longterm"]).is_some(),
        },
        "unpin" => Command::Unpin { name: words.name()? },
        "where" => Command::Where { name: words.name()?, extent: words.extent()? },
        "getpol" => Command::Getpol { name: words.name()?, offset: words.size()? },
        "show" => Command::Show { name: words.next().map(str::to_owned) },
        "numa" => Command::Numa,
        "migrate" => Command::Migrate { to: Nodes::parse(words.need("nodes")?)?, from: words.nodes()? },
        "mpol" => mpol(words)?,
        "cpu" => Command::Cpu { cpus: words.next().map(Cpus::parse).transpose()? },
        "pid" => Command::Pid,
        "sleep" => Command::Sleep { ms: words.count("milliseconds")? },
        "snooze" => Command::Sleep { ms: words.count("seconds")?.saturating_mul(1000) },
        "help" => Command::Help { topic: words.next().map(|w| find(w).map(|u| u.name.to_owned())).transpose()? },
        // `quit` and `exit`.
        _ => Command::Exit,
    })
}

fn mpol(words: &mut Words<'_>) -> Result<Command, String> {
    let Some(word) = words.next() else { return Ok(Command::Mpol { policy: None }) };
    let mode = Mode::parse(word)?;
    if mode.flags != 0 {
        return Err(words.wrong("flags are not allowed in the policy of a task"));
    }
    let nodes = words.nodes()?;
    mode.check_nodes(nodes.as_ref())?;
    Ok(Command::Mpol { policy: Some((mode, nodes)) })
}

/// The arguments that have not been parsed yet.
struct Words<'a> {
    usage: &'static Usage,
    rest: &'a [&'a str],
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn need(&mut self, what: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| self.wrong(&format!("missing {what}")))
    }

    /// Returns `message` with the usage of the command.
    fn wrong(&self, message: &str) -> String {
        format!("{message}; usage: {} {}", self.usage.name, self.usage.arguments).trim_end().to_owned()
    }

    fn name(&mut self) -> Result<String, String> {
        let name = self.need("segment name")?;
        // A name that begins with a digit could be parsed as a size.
        if name.starts_with(|c: char| c.is_alphabetic() || c == '_') && !name.contains(char::is_control) {
            return Ok(name.to_owned());
        }
        Err(self.wrong(&format!("invalid segment name {name:?}: use a letter or _ first")))
    }

    fn size(&mut self) -> Result<Option<Size>, String> {
        match self.rest.first() {
            Some(word) if word.starts_with(|c: char| c.is_ascii_digit()) => self.next().map(Size::parse).transpose(),
            _ => Ok(None),
        }
    }

    fn extent(&mut self) -> Result<Option<Extent>, String> {
        let Some(offset) = self.size()? else { return Ok(None) };
        Ok(Some(Extent { offset, length: self.size()? }))
    }

    fn nodes(&mut self) -> Result<Option<Nodes>, String> {
        self.next().map(Nodes::parse).transpose()
    }

    /// Returns the first of `words` that the next word names or abbreviates, and consumes that word.
    fn choice(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let next = self.rest.first()?;
        let found = words.iter().find(|w| w.starts_with(next))?;
        self.rest = &self.rest[1..];
        Some(found)
    }

    /// Returns whether the next word is `write`; the default is `read`.
    fn write(&mut self) -> bool {
        self.choice(&["read", "write"]) == Some("write")
    }

    fn count(&mut self, unit: &str) -> Result<u64, String> {
        let word = self.need(unit)?;
        word.parse().map_err(|_| self.wrong(&format!("invalid number of {unit} {word:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(line: &str) -> String {
        parse_line("test", 1, line).expect(line).expect("a command").text
    }

    #[test]
    fn commands_are_written_out_in_full() {
        let cases = [
            ("anon seg 8p", "anon seg 8p"),
            ("an seg 0x10p shared huge", "anon seg 0x10p shared huge"),
            ("anon seg 1g private", "anon seg 1g"),
            ("  map seg  # and nothing else", "map seg"),
            ("t seg", "touch seg read"),
            ("touch seg 2p 1p r", "touch seg 2p 1p read"),
            ("touch seg 2p w", "touch seg 2p write"),
            ("mb seg bind+m+l 2", "mbind seg bind+move+lazy 2"),
            ("mbind seg 8p 8p interleaved *", "mbind seg 8p 8p interleave *"),
            ("! mbind seg bind 99", "!mbind seg bind 99"),
            ("w seg 0 1g", "where seg 0 1g"),
            ("get seg 3p", "getpol seg 3p"),
            ("l 50 seg 1p w", "loop 50 seg 1p write"),
            ("mov seg to 0,2-3", "move seg to 0,2-3"),
            ("move seg 2p 1p to *", "move seg 2p 1p to *"),
            ("mad seg 2p nohuge", "madvise seg 2p nohuge"),
            ("madvise seg page", "madvise seg pageout"),
            ("pin seg 0 1p", "pin seg 0 1p"),
            ("pin seg long", "pin seg longterm"),
            ("madvise seg 3p dont", "madvise seg 3p dontneed"),
            ("unp seg", "unpin seg"),
            ("cpu", "cpu"),
            ("cpu 3,1-2", "cpu 1-3"),
            ("cpu *", "cpu *"),
            ("mig 2,3 0-1", "migrate 2-3 0-1"),
            ("mpol", "mpol"),
            ("mpol pref 1", "mpol preferred 1"),
            ("snooze 2", "sleep 2000"),
            ("help t", "help touch"),
            ("q", "exit"),
        ];
        for (line, expected) in cases {
            assert_eq!(normalized(line), expected);
        }
    }

    #[test]
    fn lines_without_a_command_are_skipped_but_counted() {
        let script = parse("s", "# first\n\n  \nanon a 1p\n#\nmap a\n").expect("a script");
        assert_eq!(script.steps.iter().map(|s| s.line).collect::<Vec<_>>(), [4, 6]);
    }

    #[test]
    fn errors_name_script_and_line() {
        let cases = [
            ("frobnicate", "unknown command \"frobnicate\"; `help` lists them"),
            ("s", "ambiguous command \"s\": show, sleep, snooze"),
            ("map", "missing segment name; usage: map <seg>"),
            ("map a b", "unexpected argument \"b\"; usage: map <seg>"),
            ("anon a", "missing size; usage: anon <seg> <size> [private|shared] [huge]"),
            (
                "anon 8p a",
                "invalid segment name \"8p\": use a letter or _ first; \
                 usage: anon <seg> <size> [private|shared] [huge]",
            ),
            ("anon a b", "invalid size \"b\": use a number, with k, m, g or p (pages) after it"),
            ("touch a x", "unexpected argument \"x\"; usage: touch <seg> [<offset> [<length>]] [read|write]"),
            (
                "mbind a preffered 1",
                "\"preffered\" is no policy: default, preferred, bind, interleave, local, preferred_many, weighted_interleave",
            ),
            ("mbind a bind+slow 1", "unknown flag \"slow\": use +move, +all, +lazy, +strict"),
            ("mbind a bind", "bind needs nodes: a list like 0,2-3, or * for all"),
            ("mbind a bind x", "invalid nodes \"x\": use numbers below 1024 like 0,2-3, or * for all"),
            ("mpol bind+move 1", "flags are not allowed in the policy of a task; usage: mpol [<policy> [<nodes>|*]]"),
            ("move a 2", "missing `to <nodes>`; usage: move <seg> [<offset> [<length>]] to <nodes>|*"),
            ("move a to x", "invalid nodes \"x\": use numbers below 1024 like 0,2-3, or * for all"),
            (
                "madvise a large",
                "unknown advice \"large\": use huge, nohuge, collapse, cold, pageout, willneed, dontneed, soft_offline",
            ),
            ("cpu x", "invalid CPUs \"x\": use numbers below 1024 like 0,2-3, or * for all"),
            ("sleep x", "invalid number of milliseconds \"x\"; usage: sleep <ms>"),
            ("!", "no command after !"),
            ("pid 1", "unexpected argument \"1\"; usage: pid"),
        ];
        for (line, message) in cases {
            let error = parse("dir/s.memtoy", &format!("# comment\n{line}\n")).expect_err(line);
            assert_eq!(error.to_string(), format!("dir/s.memtoy:2: {message}"));
        }
    }
}
