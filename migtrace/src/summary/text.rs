//! The summary as text: tables for people. What the recording could not see is said, and never printed as 0.

use std::io::{self, Write};

use anstyle::Style;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};

use super::{
    Summary,
    count::{FaultCount, MoveCount, Pair, Tally},
    process::Process,
    text_cost,
};
use crate::{
    event::{FaultClass, Kind, escape_control},
    log::{
        account::{fidelity, loss},
        header,
        summary::part,
        theme,
    },
    model::latency::Latencies,
    recording::{Meta, coverage},
    text,
};

/// Classes of faults in which the page is a new one, so that the fault decides on which node it lies.
pub(super) const FIRST_TOUCH: [FaultClass; 3] = [FaultClass::Anon, FaultClass::Huge, FaultClass::Cow];
/// Reasons that a row of moves names.
const REASONS: usize = 3;

impl Summary {
    /// Writes the whole summary of the trace called `name`, with the `top` processes that matter most.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&self, name: &str, top: usize, out: &mut dyn Write) -> io::Result<()> {
        self.write_header(name, out)?;
        self.write_faults(out)?;
        self.write_moves(out)?;
        self.write_checks(out)?;
        self.write_stalls(out)?;
        self.write_processes(top, out)?;
        loss(&self.meta, self.lost_by_events(), out)?;
        fidelity(&self.meta, out)?;
        text_cost::write(&self.meta, self.events(), out)
    }

    /// Writes what a recording came to, in a line each: faults, moves, time.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write_short(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut times = Latencies::default();
        self.counts.faults.values().for_each(|f| times.merge(&f.times));
        let faults = |of: fn(&FaultCount) -> u64| self.counts.faults.values().map(of).fold(0, u64::saturating_add);
        let (all, local, remote) = (faults(|f| f.faults), faults(|f| f.local), faults(|f| f.remote));
        if all > 0 {
            let time = match times.count() {
                0 => String::new(),
                _ => format!(" in {}", text::duration(times.total_ns())),
            };
            let remote = if local + remote == 0 { "an unknown number".into() } else { remote.to_string() };
            let each = if times.count() == 0 { String::new() } else { format!("; {}", percentiles(&times)) };
            writeln!(out, "  {}{time}, {remote} on a page of another node{each}", text::count(all, "fault"))?;
        }
        let (moved, failed) = self.moved_pages();
        if moved + failed > 0 {
            writeln!(out, "  {} moved, {failed} failed: {}", text::count(moved, "page"), self.causes())?;
        }
        Ok(())
    }

    /// Events that the loss rows count.
    pub(super) fn lost_by_events(&self) -> u64 {
        self.counts.lost.values().map(Tally::total).fold(0, u64::saturating_add)
    }

    /// Pages that moved, and that did not.
    pub(super) fn moved_pages(&self) -> (u64, u64) {
        let all = || self.counts.moves.values().chain([&self.counts.other_moves]);
        let moved = all().map(|m| m.moved_pages).fold(0, u64::saturating_add);
        (moved, all().map(|m| m.failed_pages.total()).fold(0, u64::saturating_add))
    }

    fn causes(&self) -> String {
        let mut by_cause = Tally::default();
        self.counts.moves.iter().for_each(|((cause, ..), m)| by_cause.add(cause.word(), m.moved_pages));
        tally(&by_cause, ", ")
    }

    fn write_header(&self, name: &str, out: &mut dyn Write) -> io::Result<()> {
        let meta = &self.meta;
        writeln!(out, "{}", theme::paint(theme::TITLE, format!("summary of {}", escape_control(name))))?;
        let mut line = |label: &str, text: String| writeln!(out, "  {label:<9}{text}");
        let host = if meta.hostname.is_empty() { "an unnamed host".into() } else { escape_control(&meta.hostname) };
        let when = header::when(meta).map(|when| when + ", ").unwrap_or_default();
        line("recorded", format!("{when}on {host}, {}", self.length()))?;
        line("kernel", header::kernel(meta))?;
        if let Some(machine) = &meta.machine {
            line("machine", text::machine(machine))?;
        }
        line("nodes", header::nodes(meta))?;
        if !meta.command.is_empty() {
            line("command", header::command(meta))?;
        }
        if let Some(filter) = &meta.filter {
            line("filter", escape_control(filter))?;
        }
        if let Some(filtered) = &self.filtered {
            let rows: u64 = self.counts.kinds.values().map(|k| k.rows).sum();
            line(
                "counted",
                format!("{rows} of {} rows, for which {}", filtered.of_rows, escape_control(&filtered.filter)),
            )?;
        }
        if let Some(sample) = meta.sample {
            line("sample", format!("one event of {sample}: all counts and times below are estimated from it"))?;
        }
        let kinds = self.counts.kinds.iter().filter(|(kind, _)| **kind != Kind::Loss);
        let kinds = kinds.map(|(kind, count)| format!("{kind} {}", count.events)).collect::<Vec<_>>();
        let kinds = if kinds.is_empty() { "none".into() } else { kinds.join(", ") };
        line("events", format!("{}: {kinds}", self.events()))
    }

    fn length(&self) -> String {
        let meta = &self.meta;
        let from = if meta.start_ns == 0 { self.counts.first_ns.unwrap_or(0) } else { meta.start_ns };
        match (meta.end_ns, self.counts.last_ns) {
            (Some(end), _) => text::duration(end.saturating_sub(from)),
            (None, Some(last)) => {
                format!("cut off after {} or more", text::duration(last.saturating_sub(from)))
            }
            (None, None) => "cut off before its first event".into(),
        }
    }

    fn write_faults(&self, out: &mut dyn Write) -> io::Result<()> {
        part(out, "page faults, by class")?;
        if self.counts.faults.is_empty() {
            return writeln!(out, "   {}", none_or_unseen(&self.meta, "fault", "page faults"));
        }
        let mut table =
            new_table(&["class", "faults", "major", "remote", "total", "median", "p90", "p99", "p99.9", "max"]);
        for (class, f) in &self.counts.faults {
            // What only the CPU's exception was seen of has neither class nor anything that the kernel knows.
            let class_word = class.map_or("not known", |c| c.word());
            let major = class.map_or_else(|| "?".into(), |_| f.major.to_string());
            let mut cells = vec![class_word.to_owned(), f.faults.to_string(), major];
            cells.push(if f.local + f.remote == 0 { "?".into() } else { f.remote.to_string() });
            cells.extend(times(&f.times));
            table.add_row(cells);
        }
        print(&mut table, 1, out)?;
        let bad = self.counts.fault_results.iter().filter(|(result, _)| *result != "ok");
        let bad = bad.map(|(result, n)| format!("{} {n}", escape_control(result))).collect::<Vec<_>>();
        if !bad.is_empty() {
            writeln!(out, "   not ok: {}", bad.join(", "))?;
        }
        let (first, remote, unknown) = self.first_touches();
        let share = if first == 0 { String::new() } else { format!(" of {first}") };
        writeln!(
            out,
            "   first touches whose page came from another node than the CPU's: {} (estimated: faults of class anon, huge \
             and cow; {unknown} more of unknown node)",
            if first == 0 { "not known".into() } else { format!("{remote}{share}") }
        )
    }

    /// First touches whose node is known, those of them on another node than the CPU, and those whose node is not known.
    pub(super) fn first_touches(&self) -> (u64, u64, u64) {
        let of = |class: &FaultClass| self.counts.faults.get(&Some(*class));
        let first = FIRST_TOUCH.iter().filter_map(of);
        first.fold((0, 0, 0), |(known, remote, unknown), f| {
            (known + f.local + f.remote, remote + f.remote, unknown + f.unknown)
        })
    }

    fn write_moves(&self, out: &mut dyn Write) -> io::Result<()> {
        part(out, "pages moved, by cause and nodes")?;
        if self.counts.moves.is_empty() {
            let why = if self.sees_moves() { "none" } else { "not known: moves of single pages were not recorded" };
            return writeln!(out, "   {why}");
        }
        let mut table = new_table(&["cause", "from", "to", "pages", "failed", "why"]);
        for (pair, moves) in &self.counts.moves {
            table.add_row(move_row(pair, moves));
        }
        print(&mut table, 1, out)?;
        let mut table = new_table(&["cause", "folios", "total", "median", "p90", "p99", "p99.9", "max"]);
        for (cause, t) in &self.counts.move_times {
            let mut cells = vec![cause.to_string(), t.count().to_string()];
            cells.extend(times(t));
            table.add_row(cells);
        }
        if !self.counts.move_times.is_empty() {
            part(out, "time that a page's move took, waiting included")?;
            print(&mut table, 1, out)?;
        }
        Ok(())
    }

    fn write_checks(&self, out: &mut dyn Write) -> io::Result<()> {
        for (title, tally_of) in [
            ("pages marked for lazy migration, and why not", &self.counts.marks),
            ("checks against policy, by verdict or reason to skip", &self.counts.checks),
        ] {
            if tally_of.total() > 0 {
                part(out, title)?;
                writeln!(out, "   {}", tally(tally_of, ", "))?;
            }
        }
        let tasks = self.counts.tasks.iter().map(|(what, n)| format!("{what} {n}")).collect::<Vec<_>>();
        if !tasks.is_empty() {
            part(out, "tasks")?;
            writeln!(out, "   {}", tasks.join(", "))?;
        }
        Ok(())
    }

    fn write_stalls(&self, out: &mut dyn Write) -> io::Result<()> {
        part(out, "time that callers waited")?;
        let mut faults = Latencies::default();
        self.counts.faults.values().for_each(|f| faults.merge(&f.times));
        if self.counts.faults.is_empty() {
            writeln!(out, "   in page faults: {}", none_or_unseen(&self.meta, "fault", "page faults"))?;
        } else if faults.count() == 0 {
            writeln!(out, "   in page faults: not known, their ends were not recorded")?;
        }
        if self.counts.requests.is_empty() {
            writeln!(out, "   inside requests: {}", none_or_unseen(&self.meta, "request", "requests"))?;
        }
        let mut table = new_table(&["in", "times", "failed", "total", "median", "p90", "p99", "p99.9", "max"]);
        let mut row = |what: String, failed: String, t: &Latencies| {
            let mut cells = vec![what, t.count().to_string(), failed];
            cells.extend(times(t));
            table.add_row(cells);
        };
        if faults.count() > 0 {
            row("page faults".into(), String::new(), &faults);
        }
        for (name, r) in &self.counts.requests {
            row(name.to_string(), r.failed.to_string(), &r.times);
        }
        if faults.count() > 0 || !self.counts.requests.is_empty() {
            print(&mut table, 1, out)?;
        }
        if self.counts.batches.is_empty() {
            return Ok(());
        }
        part(out, "batches of the kernel's migrate_pages(), and of lazy marks")?;
        let pages = ["asked", "succeeded", "freed first", "failed"];
        let columns = [&["cause", "mode", "batches"], pages.as_slice(), &["total", "median", "max"]].concat();
        let mut table = new_table(&columns);
        for (cause, modes) in &self.counts.batches {
            for (mode, b) in modes {
                let asked = if b.without_asked > 0 { "?".into() } else { b.asked_pages.to_string() };
                let [total, median, .., max] = times(&b.times);
                let freed = match (b.without_unmoved, mode.as_str()) {
                    (0, _) => b.unmoved_pages.to_string(),
                    (_, "lazy") => "-".into(),
                    _ => "?".into(),
                };
                let pages = [asked, b.succeeded_pages.to_string(), freed, b.failed_pages.to_string()];
                let mut cells = vec![cause.to_string(), escape_control(mode), b.times.count().to_string()];
                cells.extend(pages.into_iter().chain([total, median, max]));
                table.add_row(cells);
            }
        }
        print(&mut table, 2, out)
    }

    fn write_processes(&self, top: usize, out: &mut dyn Write) -> io::Result<()> {
        let processes = self.top_processes(top);
        if processes.is_empty() {
            return Ok(());
        }
        let all = self.counts.processes.list().len();
        part(out, &format!("processes, by remote faults and pages moved ({} of {all})", processes.len()))?;
        // Where all are in the root there is nothing to tell apart.
        let has_cgroups = processes.iter().any(|p| self.cgroup(p).is_some_and(|path| path != "/"));
        let mut columns = vec!["pid", "command", "events", "faults", "remote", "pages moved", "waited"];
        columns.extend(has_cgroups.then_some("cgroup"));
        let mut table = new_table(&columns);
        for p in processes {
            let mut row = vec![
                p.identity.0.to_string(),
                escape_control(&p.comm),
                p.events.to_string(),
                p.faults.to_string(),
                self.remote_faults(p).map_or_else(unknown, |n| n.to_string()),
                self.moved_by(p).map_or_else(unknown, |n| n.to_string()),
                self.stalled_ns(p).map_or_else(unknown, text::duration),
            ];
            row.extend(has_cgroups.then(|| self.cgroup(p).map_or_else(unknown, text::cgroup)));
            table.add_row(row);
        }
        print(&mut table, 2, out)?;
        let others = &self.counts.processes.others;
        if others.events > 0 {
            writeln!(out, "   more processes than are told apart: {} events of others", others.events)?;
        }
        Ok(())
    }

    /// The path of the cgroup that a process was in last; `None` where it was not known.
    pub(super) fn cgroup(&self, p: &Process) -> Option<&str> {
        self.meta.cgroups.get(&p.cgroup_id).map(String::as_str)
    }

    /// Faults of a process on pages of another node; `None` where this recording shows no node of theirs.
    pub(super) fn remote_faults(&self, p: &Process) -> Option<u64> {
        coverage::shows(&self.meta, "fault", "nid").then_some(p.remote_faults)
    }

    /// Pages of a process that moved; `None` where this recording shows no moves.
    pub(super) fn moved_by(&self, p: &Process) -> Option<u64> {
        self.sees_moves().then_some(p.moved_pages)
    }

    /// Time that a process waited in faults and requests, ns; `None` where this recording shows no times of faults.
    pub(super) fn stalled_ns(&self, p: &Process) -> Option<u64> {
        coverage::shows(&self.meta, "fault", "latency_ns").then_some(p.stalled_ns)
    }

    /// Whether moves of single pages could be recorded, or were.
    pub(super) fn sees_moves(&self) -> bool {
        !self.counts.moves.is_empty()
            || ["direct_migrate", "lazy_migrate"].iter().any(|p| coverage::is_attached(&self.meta, p))
    }

    /// The processes with the most remote faults and moved pages, then with the longest waits.
    pub(super) fn top_processes(&self, top: usize) -> Vec<&Process> {
        let mut all = self.counts.processes.list().iter().collect::<Vec<_>>();
        let weight = |p: &Process| (p.remote_faults.saturating_add(p.moved_pages), p.stalled_ns, p.events);
        all.sort_by_key(|p| (std::cmp::Reverse(weight(p)), p.identity));
        all.truncate(top);
        all
    }
}

fn move_row((cause, from, to): &Pair, moves: &MoveCount) -> Vec<String> {
    let to = to.map_or_else(|| "?".into(), |n| n.to_string());
    let failed = moves.failed_pages.total();
    let mut reasons = moves.failed_pages.iter().collect::<Vec<_>>();
    reasons.sort_by_key(|(reason, n)| (std::cmp::Reverse(*n), reason.to_owned()));
    let more = reasons.len().saturating_sub(REASONS);
    let mut why = reasons.iter().take(REASONS).map(|(r, n)| format!("{} {n}", escape_control(r))).collect::<Vec<_>>();
    if more > 0 {
        why.push(format!("{more} more"));
    }
    vec![cause.to_string(), from.to_string(), to, moves.moved_pages.to_string(), failed.to_string(), why.join(", ")]
}

/// `none`, or why nothing can be known.
fn none_or_unseen(meta: &Meta, probe: &str, what: &str) -> String {
    if coverage::is_attached(meta, probe) { "none".into() } else { format!("not known: {what} were not recorded") }
}

fn tally(tally: &Tally, separator: &str) -> String {
    tally.iter().map(|(word, n)| format!("{} {n}", escape_control(word))).collect::<Vec<_>>().join(separator)
}

/// Total, median, three percentiles and the greatest; `-` where there were too few.
fn times(times: &Latencies) -> [String; 6] {
    let text = |ns: Option<u64>| ns.map_or_else(|| "-".into(), text::duration);
    [
        text((times.count() > 0).then_some(times.total_ns())),
        text(times.median_ns()),
        text(times.percentile_ns(90)),
        text(times.percentile_ns(99)),
        text(times.permille_ns(999)),
        text(times.max_ns()),
    ]
}

/// `median 1.23 µs, p99 4.56 µs, max 1.00 ms`.
fn percentiles(latencies: &Latencies) -> String {
    let [_, median, _, p99, _, max] = times(latencies);
    format!("median {median}, p99 {p99}, max {max}")
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// What stands for a number that is not known.
fn unknown() -> String {
    "?".into()
}

/// Writes a table below a part's heading; the first `left` columns, and reasons, stand at the left.
fn print(table: &mut Table, left: usize, out: &mut dyn Write) -> io::Result<()> {
    let header = table.header().map(|h| h.cell_iter().map(|c| c.content()).collect::<Vec<_>>()).unwrap_or_default();
    for (column, title) in table.column_iter_mut().zip(header).skip(left) {
        if title != "why" {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // A table pads its first column too.
    table.lines().enumerate().try_for_each(|(n, line)| {
        let style = if n == 0 { theme::DIM } else { Style::new() };
        writeln!(out, "  {}", theme::paint(style, line.trim_end()))
    })
}
