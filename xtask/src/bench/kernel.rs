//! `kernel-off` and `kernel-lazy`: what the series costs the kernel and what it saves, in instructions. The machine is
//! emulated, and its clock counts them: caches and the buses between nodes are not in it, nor is the rest of the host.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Seek},
    os::fd::AsFd,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use xtask_bench::Refaulted;

use super::{
    Scale,
    lab::Tools,
    report::{Bound, Report, Unit},
    spread::Spread,
};
use crate::{
    command,
    exit::{FINE, Failure},
    kernel,
    paths::Paths,
    vm::{self, Ended, Request, machine::Machine},
};

/// The same source and configuration without the series.
const UNPATCHED: &str = "unpatched";
/// Instructions of a fault, with the series and off, against those without.
const OFF_AT_MOST: f64 = 1.01;
const GUEST_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Pages that `kernel-lazy` moves.
const PAGES: u64 = 4096;

/// The fault path of the patched kernel where the feature is off, against the unpatched one.
pub(super) fn off(paths: &Paths, tools: &Tools, scale: &Scale) -> Result<Report> {
    let refault = format!("{} --rounds {}", command::quoted(tools.refault.as_os_str()), scale.repeats);
    // A boot for each: what was swapped before is seen in what comes after.
    let measure = |kernel, script: &str| refaulted(&in_guest(paths, kernel, tools, script)?);
    let patched = |mode| measure(kernel::DEFAULT, &format!("echo {mode} > /proc/sys/vm/migrate_on_fault && {refault}"));
    let arms = [
        ("without the series", measure(UNPATCHED, &refault)?),
        ("vm.migrate_on_fault = 0", patched(0)?),
        ("1, and nobody opted in", patched(1)?),
    ];
    let [(_, base), ..] = &arms;
    let mut report = Report::new(&[
        ("fresh page", Unit::Count),
        ("added", Unit::Count),
        ("page in the swap cache", Unit::Count),
        ("added", Unit::Count),
    ]);
    for (arm, measured) in &arms {
        let pairs = [(&measured.anon, &base.anon), (&measured.swap_cache, &base.swap_cache)];
        let cells = pairs.map(|(value, base)| [Some(value.clone()), value.above(base)]);
        report.row(*arm, cells.concat());
    }
    for (arm, measured) in &arms[1..] {
        for (what, value, base) in
            [("fresh page", &measured.anon, &base.anon), ("swap cache", &measured.swap_cache, &base.swap_cache)]
        {
            let what = format!("{what}: {arm} / without the series");
            report.limit(what, Unit::Ratio, value.over(base), Bound::AtMost(OFF_AT_MOST));
        }
    }
    report.notes.push(format!("instructions per fault, {WHERE}"));
    Ok(report)
}

/// Lazy against direct migration, page by page, on the patched kernel.
pub(super) fn lazy(paths: &Paths, tools: &Tools, scale: &Scale) -> Result<Report> {
    let mut script = format!("anon seg {PAGES}p\nmap seg\nmbind seg bind 0\ntouch seg write\n");
    // The first turn fills caches and lists, and is not counted.
    for _ in 0..=scale.repeats {
        script += "mbind seg bind+move 1\ntouch seg read\nmbind seg bind+move+lazy 0\ntouch seg read\n";
    }
    let file = tools.directory.join("lazy.memtoy");
    std::fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
    let memtoy = format!("migtrace memtoy {}", command::quoted(file.as_os_str()));
    let turns = turns(&in_guest(paths, kernel::DEFAULT, tools, &memtoy)?)?;
    ensure!(turns.len() == scale.repeats as usize, "{} turns of {} were measured", turns.len(), scale.repeats);
    let of = |cost: fn(&Turn) -> f64| Spread::of(turns.iter().map(|turn| Some(cost(turn) / PAGES as f64)));
    let mut report = Report::new(&[("a page", Unit::Count)]);
    report.row("direct: in mbind", [of(|turn| turn.direct)]);
    report.row("lazy: in mbind", [of(|turn| turn.mark)]);
    report.row("lazy: touched for the first time, with its move", [of(Turn::fault)]);
    report.row("lazy, when all pages are touched", [of(|turn| turn.mark + turn.fault())]);
    report.row("touched when it is there", [of(|turn| turn.resident)]);
    let even = Spread::of(turns.iter().map(|turn| Some((turn.direct - turn.mark) / turn.fault())));
    if let Some(even) = even {
        let percent = even.median * 100.0;
        report.notes.push(format!(
            "lazy takes fewer while less than {percent:.0} % of the pages are touched before they are freed or marked anew"
        ));
    }
    report.notes.push(format!("instructions, {WHERE}"));
    Ok(report)
}

/// Instructions for all pages.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Turn {
    /// mbind that moves them.
    direct: f64,
    /// Reading a byte of each when they are there.
    resident: f64,
    /// mbind that marks them.
    mark: f64,
    /// Reading a byte of each when they are marked.
    lazy: f64,
}

impl Turn {
    /// Of the fault alone.
    fn fault(&self) -> f64 {
        self.lazy - self.resident
    }
}

/// The times that memtoy tells, without the first turn.
fn turns(said: &str) -> Result<Vec<Turn>> {
    let seconds: Vec<f64> = said
        .lines()
        .filter(|line| line.starts_with("memtoy:"))
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = words.iter().position(|word| word.starts_with("sec"))?;
            words.get(at.checked_sub(1)?)?.parse().ok()
        })
        .collect();
    // The first time is that of writing the pages.
    let turns = seconds.get(1..).unwrap_or_default().chunks(4).skip(1);
    turns
        .map(|times| match times {
            [direct, resident, mark, lazy] => {
                let [direct, resident, mark, lazy] = [direct, resident, mark, lazy].map(|s| s * 1e9);
                Ok(Turn { direct, resident, mark, lazy })
            }
            _ => Err(Failure::Finding(format!("memtoy did not tell all its times:\n{said}")).into()),
        })
        .collect()
}

/// Beside what was measured, for who reads only the table.
const WHERE: &str = "in the project's virtual machine, emulated on one processor, whose clock counts instructions, user's and \
                     kernel's; caches, buses between nodes, and what waits for other CPUs are not in it";

/// Per page and fault, by round.
struct Costs {
    anon: Spread,
    swap_cache: Spread,
}

fn refaulted(said: &str) -> Result<Costs> {
    let measured: Refaulted = serde_json::from_str(said).with_context(|| format!("refault said {said:?}"))?;
    let pages = measured.pages as f64;
    let spread = |all: &[u64]| Spread::of(all.iter().map(|ns| Some(*ns as f64 / pages))).context("no round");
    Ok(Costs { anon: spread(&measured.anon_ns)?, swap_cache: spread(&measured.swap_cache_ns)? })
}

/// What a shell's script says on standard output, in a machine that counts instructions.
fn in_guest(paths: &Paths, kernel: &str, tools: &Tools, script: &str) -> Result<String> {
    let image = kernel::image(paths, kernel)?;
    let mut stdout = tempfile::tempfile().context("cannot create a temporary file")?;
    let argv: [OsString; 3] = ["/bin/sh".into(), "-c".into(), script.into()];
    let outcome = vm::run(
        paths,
        Request {
            image: &image,
            // One processor: others would have to be interrupted, and take turns with it.
            machine: &Machine { nodes: 2, cpus: 1, mem: 2 << 30, slow: None },
            argv: argv.into(),
            env: Vec::new(),
            collector: Some(tools.migtrace.clone()),
            cwd: paths.checkout.clone(),
            interactive: false,
            stdout: stdout.as_fd(),
            stderr: io::stderr().as_fd(),
            timeout: Some(GUEST_LIMIT),
            counted: true,
        },
    )?;
    match &outcome.ended {
        Ended::Job(FINE) => all_of(&mut stdout),
        Ended::Job(status) => Err(Failure::Finding(format!("measuring in the guest failed, status {status}")).into()),
        Ended::Stopped(status) => Err(Failure::Finding(format!("stopped, status {status}")).into()),
        Ended::Broken(why) => Err(outcome.broken(paths, why)),
    }
}

fn all_of(file: &mut File) -> Result<String> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).context("cannot read what the guest said")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_read_from_what_memtoy_says() {
        let times = ["0.5", "4.0", "0.1", "2.0", "3.1", "0.004", "0.0001", "0.002", "0.0031"];
        let said: String = times
            .iter()
            .map(|secs| format!("memtoy:  touched 8 pages in {secs} secs\n  8 pages: node 1: 8\n"))
            .collect();
        let turns = turns(&said).expect("all are there");
        assert_eq!(turns.len(), 1, "the first turn does not count");
        assert_eq!(turns[0].direct.round(), 4e6);
        assert_eq!(turns[0].fault().round(), 3e6);
        assert!(super::turns(&said.replace("0.0031 secs", "long")).is_err());
    }

    #[test]
    fn costs_are_by_page() {
        let said = "{\"pages\":4,\"anon_ns\":[400,800,400],\"swap_cache_ns\":[40,40,40]}\n";
        let costs = refaulted(said).expect("JSON");
        assert_eq!((costs.anon.median, costs.swap_cache.median), (100.0, 10.0));
        assert!(refaulted("{").is_err());
    }
}
