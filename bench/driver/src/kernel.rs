//! `kernel-off` and `kernel-lazy`: what the series costs and saves, in instructions.
//!
//! The machine is emulated, and its clock counts instructions. Caches, interconnects between nodes and other load on the host
//! are not included.

use anyhow::{Context, Result, ensure};
use bench_workloads::Refaulted;
use xtask_common::{command, exit::Failure};

use crate::{
    Machine, Scale,
    lab::Tools,
    report::{Bound, Report, Unit},
    spread::Spread,
};

/// The kernel with the series.
const PATCHED: &str = "patched";
/// The same source and configuration without the series.
const UNPATCHED: &str = "unpatched";
/// Instructions of a fault, with the series and off, against those without.
const OFF_AT_MOST: f64 = 1.01;
/// Pages that `kernel-lazy` moves.
const PAGES: u64 = 4096;

/// A fault on the patched kernel with lazy migration off, and on the unpatched kernel.
pub(crate) fn off(machine: &dyn Machine, tools: &Tools, scale: &Scale) -> Result<Report> {
    let refault = format!("{} --rounds {}", command::quoted(tools.refault.as_os_str()), scale.repeats);
    // A boot for each: what was swapped before is seen in what comes after.
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
    report.notes.push(format!("instructions per fault, {WHERE}"));
    Ok(report)
}

/// Lazy against direct migration, page by page, on the patched kernel.
pub(crate) fn lazy(machine: &dyn Machine, tools: &Tools, scale: &Scale) -> Result<Report> {
    let mut script = format!("anon seg {PAGES}p\nmap seg\nmbind seg bind 0\ntouch seg write\n");
    // The first turn fills caches and lists, and is not counted.
    for _ in 0..=scale.repeats {
        script += "mbind seg bind+move 1\ntouch seg read\nmbind seg bind+move+lazy 0\ntouch seg read\n";
    }
    let file = tools.directory.join("lazy.memtoy");
    std::fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
    let memtoy = format!("migtrace memtoy {}", command::quoted(file.as_os_str()));
    let turns = turns(&machine.run(PATCHED, &memtoy)?)?;
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

/// The times that memtoy printed, without the first turn.
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
            _ => Err(Failure::Finding(format!("memtoy did not print all its times:\n{said}")).into()),
        })
        .collect()
}

/// A note below each table.
const WHERE: &str = "in the project's virtual machine, emulated on one CPU, whose clock counts user and kernel instructions; \
                     without caches, interconnects between nodes, and waits for other CPUs";

/// Per page and fault, by round.
struct Costs {
    anon: Spread,
    swap_cache: Spread,
}

fn refaulted(said: &str) -> Result<Costs> {
    let measured: Refaulted = serde_json::from_str(said).with_context(|| format!("refault printed {said:?}"))?;
    let pages = measured.pages as f64;
    let spread = |all: &[u64]| Spread::of(all.iter().map(|ns| Some(*ns as f64 / pages))).context("no round");
    Ok(Costs { anon: spread(&measured.anon_ns)?, swap_cache: spread(&measured.swap_cache_ns)? })
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
