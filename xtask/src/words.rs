//! `cargo xtask words`: finds retired words in tracked text.
//!
//! docs/retired-words.txt is the list; docs/glossary.md defines the words to use.

use std::{ffi::OsString, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use clap::Args;
use regex::{Regex, RegexBuilder};
use xtask_common::{
    command,
    exit::{FINDING, FINE},
    progress::say,
};

use crate::paths::Paths;

/// Path of the list in the checkout.
const LIST: &str = "docs/retired-words.txt";

/// Find retired words in text files, comments and strings
///
/// The list is docs/retired-words.txt; docs/glossary.md has the words to use. Prints file and line of each find. Exit
/// status 1 if there is one.
#[derive(Args, Debug, Default)]
#[command(after_help = "Examples:
  cargo xtask words
  cargo xtask words docs migtrace/src/log")]
pub(crate) struct Options {
    /// Files and folders to search; default: the whole checkout
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
}

impl Options {
    /// Prints each find with its file and line.
    pub(crate) fn run(&self, paths: &Paths) -> Result<u8> {
        let list = paths.checkout.join(LIST);
        let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
        let list = List::parse(&text)?;
        let (mut finds, mut files) = (0, 0);
        for file in self.files(paths)?.iter().filter(|file| !list.excludes(file)) {
            // Binary files and dangling links are skipped.
            let Ok(text) = fs::read_to_string(paths.checkout.join(file)) else { continue };
            let found = list.find(&text);
            for Find { line, word, better } in &found {
                println!("{file}:{line}: {word:?}: {better}");
            }
            files += usize::from(!found.is_empty());
            finds += found.len();
        }
        if finds == 0 {
            return Ok(FINE);
        }
        say(format!("{finds} retired words in {files} files; docs/glossary.md has the words to use"));
        Ok(FINDING)
    }

    /// Lists tracked files, and new files that git does not ignore.
    fn files(&self, paths: &Paths) -> Result<Vec<String>> {
        let mut git = Command::new("git");
        git.current_dir(&paths.checkout).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]);
        let listed = command::output(git.args(&self.paths))?;
        Ok(listed.split_terminator('\0').map(str::to_owned).collect())
    }
}

/// Retired words, and the paths that may contain them.
struct List {
    words: Vec<(Regex, String)>,
    /// Paths of files and folders that are not searched.
    excluded: Vec<String>,
}

/// A retired word in a text.
#[derive(Debug, PartialEq, Eq)]
struct Find<'a> {
    /// Counted from 1.
    line: usize,
    word: &'a str,
    better: &'a str,
}

impl List {
    /// Parses lines `regular expression<TAB>better words`, `!path` for a path that is not searched, and `# comment`.
    fn parse(text: &str) -> Result<List> {
        let mut list = List { words: Vec::new(), excluded: vec![LIST.to_owned()] };
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(path) = line.strip_prefix('!') {
                list.excluded.push(path.trim().trim_end_matches('/').to_owned());
                continue;
            }
            let (pattern, better) = line
                .split_once('\t')
                .with_context(|| format!("{LIST}:{number}: no tab: write PATTERN<TAB>BETTER WORDS"))?;
            let regex = RegexBuilder::new(pattern).case_insensitive(true).build();
            list.words.push((regex.with_context(|| format!("{LIST}:{number}"))?, better.trim().to_owned()));
        }
        Ok(list)
    }

    fn excludes(&self, file: &str) -> bool {
        self.excluded.iter().any(|path| Path::new(file).starts_with(path))
    }

    fn find<'a>(&'a self, text: &'a str) -> Vec<Find<'a>> {
        let mut finds = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            for (regex, better) in &self.words {
                finds.extend(regex.find_iter(text).map(|found| Find { line, word: found.as_str(), better }));
            }
        }
        finds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str =
        "# comment\n\n\\bfrobnicates?\\b\truns\n\\bgoes (up|down)\\b\trises, falls\n!docs/glossary.md\n!vendor/\n";

    #[test]
    fn a_planted_word_is_found_with_its_line() {
        let list = List::parse(WORDS).expect("a list");
        let text = "//! All is well.\n/// The rate goes up, and Frobnicate ends.\nlet forgoes = up;\n";
        assert_eq!(
            list.find(text),
            [
                Find { line: 2, word: "Frobnicate", better: "runs" },
                Find { line: 2, word: "goes up", better: "rises, falls" },
            ]
        );
    }

    #[test]
    fn excluded_files_and_the_list_are_not_searched() {
        let list = List::parse(WORDS).expect("a list");
        for file in ["docs/glossary.md", "vendor/a/b.rs", LIST] {
            assert!(list.excludes(file), "{file}");
        }
        for file in ["docs/glossary.md.rs", "docs/top.md", "src/vendor/a.rs"] {
            assert!(!list.excludes(file), "{file}");
        }
    }

    #[test]
    fn an_invalid_line_of_the_list_is_reported_with_its_number() {
        for wrong in ["no tab", "(\tunclosed"] {
            let error = List::parse(&format!("#\n{wrong}\n")).map(drop).expect_err(wrong);
            assert!(format!("{error:#}").starts_with("docs/retired-words.txt:2"), "{error:#}");
        }
    }

    #[test]
    fn the_checked_in_list_is_valid() {
        let file = Paths::find().expect("a checkout").checkout.join(LIST);
        let list = List::parse(&fs::read_to_string(file).expect("the list")).expect("a valid list");
        assert!(!list.words.is_empty());
    }
}
