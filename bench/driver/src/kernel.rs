//! `kernel-off` and `kernel-lazy`: what the patch series costs and saves, in instructions.
//!
//! The machine is emulated, and its clock counts instructions. The numbers do not include caches, interconnects between
//! nodes, or other load on the host.

use anyhow::{Context, Result, ensure};
use bench_workloads::Refaulted;
use xtask_common::{command, exit::Failure};

use crate::{
    Machine, Scale,
    lab::Tools,
    report::{Bound, Report, Unit},
    spread::Spread,
};

/// The kernel with the patch series.
const PATCHED: &str = "patched";
/// The same source and configuration without the series.
const UNPATCHED: &str = "unpatched";
/// Maximum ratio: instructions of a fault with the series switched off, to those without the series.
const OFF_AT_MOST: f64 = 1.01;
/// Pages that `kernel-lazy` migrates.
const PAGES: u64 = 4096;

/// Measures a fault on the patched kernel with lazy migration off, and on the unpatched kernel.
pub(crate) fn off(machine: &dyn Machine, tools: &Tools, scale: &Scale) -> Result<Report> {
    let refault = format!("{} --rounds {}", command::quoted(tools.refault.as_os_str()), scale.repeats);
    // Each arm boots its own machine: earlier swapping changes later measurements.
    let measure = |kernel, script: &str| refaulted(&machine.run(kernel, script)?);
    let patched = |mode| measure(PATCHED, &format!("echo {mode} > /proc/sys/vm/migrate_on_fault && {refault}"));
    let arms = [
        ("without the series", measure(UNPATCHED, &refault)?),
        ("vm.migrate_on_fault = 0", patched(0)?),
        ("1, not opted in", patched(1)?),
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
    report.notes.push(format!("instructions per fault, {CONDITIONS}"));
    Ok(report)
}

/// Compares lazy with direct migration, per page, on the patched kernel.
pub(crate) fn lazy(machine: &dyn Machine, tools: &Tools, scale: &Scale) -> Result<Report> {
    let mut script = format!("anon seg {PAGES}p\nmap seg\nmbind seg bind 0\ntouch seg write\n");
    // The first turn fills caches and lists, and does not count.
    for _ in 0..=scale.repeats {
        script += "mbind seg bind+move 1\ntouch seg read\nmbind seg bind+move+lazy 0\ntouch seg read\n";
    }
    let file = tools.directory.join("lazy.memtoy");
    std::fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
    let memtoy = format!("migtrace memtoy {}", command::quoted(file.as_os_str()));
    let turns = turns(&machine.run(PATCHED, &memtoy)?)?;
    ensure!(turns.len() == scale.repeats as usize, "memtoy reported {} of {} turns", turns.len(), scale.repeats);
    let of = |cost: fn(&Turn) -> f64| Spread::of(turns.iter().map(|turn| Some(cost(turn) / PAGES as f64)));
    let mut report = Report::new(&[("per page", Unit::Count)]);
    report.row("direct: in mbind", [of(|turn| turn.direct)]);
    report.row("lazy: in mbind", [of(|turn| turn.mark)]);
    report.row("lazy: touched for the first time, with its move", [of(Turn::fault)]);
    report.row("lazy, when all pages are touched", [of(|turn| turn.mark + turn.fault())]);
    report.row("touched when it is there", [of(|turn| turn.resident)]);
    let break_even = Spread::of(turns.iter().map(|turn| Some((turn.direct - turn.mark) / turn.fault())));
    if let Some(share) = break_even {
        let percent = share.median * 100.0;
        report.notes.push(format!(
            "lazy takes fewer if less than {percent:.0} % of the pages are touched before being freed or marked again"
        ));
    }
    report.notes.push(format!("instructions, {CONDITIONS}"));
    Ok(report)
}

/// Instructions for all pages.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Turn {
    /// mbind that migrates the pages.
    direct: f64,
    /// Reading a word of each page, if they are present.
    resident: f64,
    /// mbind that marks the pages.
    mark: f64,
    /// Reading a word of each page, if they are marked.
    lazy: f64,
}

impl Turn {
    /// Returns the instructions of the faults alone.
    fn fault(&self) -> f64 {
        self.lazy - self.resident
    }
}

/// Parses the times that memtoy printed, without the first turn.
fn turns(output: &str) -> Result<Vec<Turn>> {
    let seconds: Vec<f64> = output
        .lines()
        .filter(|line| line.starts_with("memtoy:"))
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = words.iter().position(|word| word.starts_with("sec"))?;
            words.get(at.checked_sub(1)?)?.parse().ok()
        })
        .collect();
    // The first time is for writing the pages.
    let turns = seconds.get(1..).unwrap_or_default().chunks(4).skip(1);
    turns
        .map(|times| match times {
            [direct, resident, mark, lazy] => {
                let [direct, resident, mark, lazy] = [direct, resident, mark, lazy].map(|s| s * 1e9);
                Ok(Turn { direct, resident, mark, lazy })
            }
            _ => Err(Failure::Finding(format!("memtoy did not print all its times:\n{output}")).into()),
        })
        .collect()
}

/// Conditions of the measurement, in a note below each table.
const CONDITIONS: &str = "in the project's virtual machine, emulated with one CPU, whose clock counts user and kernel \
                          instructions; without caches, interconnects between nodes, and waits for other CPUs";

/// Instructions per fault, round by round.
struct Costs {
    anon: Spread,
    swap_cache: Spread,
}

fn refaulted(output: &str) -> Result<Costs> {
    let measured: Refaulted = serde_json::from_str(output).with_context(|| format!("refault printed {output:?}"))?;
    let pages = measured.pages as f64;
    let spread = |all: &[u64]| Spread::of(all.iter().map(|ns| Some(*ns as f64 / pages))).context("no round");
    Ok(Costs { anon: spread(&measured.anon_ns)?, swap_cache: spread(&measured.swap_cache_ns)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_parsed_from_the_output_of_memtoy() {
        let times = ["0.5", "4.0", "0.1", "2.0", "3.1", "0.004", "0.0001", "0.002", "0.0031"];
        let output: String = times
            .iter()
            .map(|secs| format!("memtoy:  touched 8 pages in {secs} secs\n  8 pages: node 1: 8\n"))
            .collect();
        let turns = turns(&output).expect("all times");
        assert_eq!(turns.len(), 1, "the first turn does not count");
        assert_eq!(turns[0].direct.round(), 4e6);
        assert_eq!(turns[0].fault().round(), 3e6);
        assert!(super::turns(&output.replace("0.0031 secs", "long")).is_err());
    }

    #[test]
    fn costs_are_per_page() {
        let output = "{\"pages\":4,\"anon_ns\":[400,800,400],\"swap_cache_ns\":[40,40,40]}\n";
        let costs = refaulted(output).expect("JSON");
        assert_eq!((costs.anon.median, costs.swap_cache.median), (100.0, 10.0));
        assert!(refaulted("{").is_err());
    }
}
