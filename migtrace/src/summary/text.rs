//! The summary as text, in tables. What the recording does not know is `unknown` or `?`, never 0.

use std::io::{self, Write};

use super::{
    Summary,
    count::Pair,
    table::{self, times, unknown},
    tally::{FaultCount, MoveCount, Tally},
    text_cost,
};
use crate::{
    event::{Probe, ProcessId},
    model::latency::Latencies,
    recording::{Meta, describe},
    text::{self, Line, Tone, ansi, escape_control, line},
};

/// Reasons in a row of migrations.
const REASONS: usize = 3;

impl Summary {
    /// Writes the summary of the trace called `name`, with the `top` processes.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&self, name: &str, top: usize, out: &mut dyn Write) -> io::Result<()> {
        let parts = [
            self.header(name),
            self.faults(),
            self.migrations(),
            self.checks(),
            self.wait_times(),
            self.migration_waits(top),
            self.counts.scans.lines(top, self.sees_balancing(), |id| self.name(id)),
            self.batches(),
            self.counts.places.lines(),
            self.counts.nodes.lines(),
            self.census(top),
            self.processes(top),
            describe::loss(&self.meta, self.lost_by_events()),
            describe::fidelity(&self.meta),
            text_cost::lines(&self.meta, self.events()),
        ];
        parts.iter().try_for_each(|lines| ansi::write_all(lines, out))
    }

    /// Writes the totals of a recording: a line on faults, and one on migrations.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write_short(&self, out: &mut dyn Write) -> io::Result<()> {
        let times = self.fault_times();
        let faults = |of: fn(&FaultCount) -> u64| self.counts.faults.values().map(of).fold(0, u64::saturating_add);
        let (all, local, remote) = (faults(|f| f.faults), faults(|f| f.local), faults(|f| f.remote));
        if all > 0 {
            let time = match times.count() {
                0 => String::new(),
                _ => format!(" in {}", text::duration(times.total_ns())),
            };
            let remote = if local + remote == 0 { "unknown how many".into() } else { remote.to_string() };
            let each = if times.count() == 0 { String::new() } else { format!("; {}", percentiles(&times)) };
            writeln!(out, "  {}{time}, {remote} remote{each}", text::count(all, "fault"))?;
        }
        let (migrated, failed) = self.moved_pages();
        if migrated + failed > 0 {
            writeln!(out, "  {} migrated, {failed} failed: {}", text::count(migrated, "page"), self.causes())?;
        }
        Ok(())
    }

    /// Durations of the faults of all classes.
    fn fault_times(&self) -> Latencies {
        let mut times = Latencies::default();
        self.counts.faults.values().for_each(|f| times.merge(&f.times));
        times
    }

    fn causes(&self) -> String {
        let mut by_cause = Tally::default();
        self.counts.moves.iter().for_each(|((cause, ..), m)| by_cause.add(cause.word(), m.moved_pages));
        tally(&by_cause, ", ")
    }

    fn header(&self, name: &str) -> Vec<Line> {
        let meta = &self.meta;
        let mut lines = vec![Tone::Strong.paint(format!("summary of {}", escape_control(name))).into()];
        let mut add = |label: &str, value: Line| lines.push(line![format!("  {label:<9}"), value]);
        add("recorded", format!("{}, {}", describe::when_and_where(meta), self.length()).into());
        add("kernel", describe::kernel(meta).into());
        if let Some(machine) = &meta.machine {
            add("machine", text::machine(machine).into());
        }
        add("nodes", describe::nodes(meta).into());
        if !meta.command.is_empty() {
            add("command", describe::command(meta));
        }
        if let Some(filter) = &meta.filter {
            add("filter", escape_control(filter).into());
        }
        if let Some(filtered) = &self.filtered {
            let rows: u64 = self.counts.kinds.values().map(|k| k.rows).sum();
            let filter = escape_control(&filtered.filter);
            add("counted", format!("{rows} of {} rows, with {filter}", filtered.of_rows).into());
        }
        if let Some(sample) = meta.sample {
            let text = format!("1 of {sample} events: all counts and times below are estimated");
            add("sample", text.into());
        }
        let kinds = self.counts.kinds.iter().filter(|(kind, _)| !kind.is_of_recorder());
        let kinds = kinds.map(|(kind, count)| format!("{kind} {}", count.events)).collect::<Vec<_>>();
        let kinds = if kinds.is_empty() { "none".into() } else { kinds.join(", ") };
        add("events", format!("{}: {kinds}", self.events()).into());
        lines
    }

    fn length(&self) -> String {
        let meta = &self.meta;
        let from = if meta.start_ns == 0 { self.counts.first_ns.unwrap_or(0) } else { meta.start_ns };
        match (meta.end_ns, self.counts.last_ns) {
            (Some(end), _) => text::duration(end.saturating_sub(from)),
            (None, Some(last)) => {
                format!("was cut off after at least {}", text::duration(last.saturating_sub(from)))
            }
            (None, None) => "was cut off, no events".into(),
        }
    }

    fn faults(&self) -> Vec<Line> {
        let mut lines = vec![text::part("page faults, by class")];
        if self.counts.faults.is_empty() {
            lines.push(
                format!("   {}", none_or(&self.meta, Probe::Fault, "unknown: page faults were not recorded")).into(),
            );
            return lines;
        }
        let mut table =
            table::new(&["class", "faults", "major", "remote", "total", "median", "p90", "p99", "p99.9", "max"]);
        for (class, f) in &self.counts.faults {
            // A fault of which only the CPU's exception was recorded has no class, and nothing else that the kernel knows.
            let class_word = class.map_or("unknown", |c| c.word());
            let major = class.map_or_else(unknown, |_| f.major.to_string());
            let remote = if f.local + f.remote == 0 { unknown() } else { f.remote.to_string() };
            let mut cells = vec![class_word.to_owned(), f.faults.to_string(), major, remote];
            cells.extend(times(&f.times));
            table.add_row(cells);
        }
        lines.extend(table::lines(table, 1));
        let bad = self.counts.fault_results.iter().filter(|(result, _)| *result != "ok");
        let bad = bad.map(|(result, n)| format!("{} {n}", escape_control(result))).collect::<Vec<_>>();
        if !bad.is_empty() {
            lines.push(format!("   not ok: {}", bad.join(", ")).into());
        }
        let (first, remote, unknown) = self.first_touches();
        let remote = if first == 0 { "unknown".into() } else { format!("{remote} of {first}") };
        let text = format!(
            "   first touches of a remote page: {remote} (estimated: faults of class anon, huge, hugetlb and cow; \
             {unknown} more with an unknown node)"
        );
        lines.push(text.into());
        lines
    }

    fn migrations(&self) -> Vec<Line> {
        let mut lines = vec![text::part("pages migrated, by cause and nodes")];
        if self.counts.moves.is_empty() {
            let why = if self.sees_moves() { "none" } else { "unknown: migrations of single pages were not recorded" };
            lines.push(format!("   {why}").into());
            return lines;
        }
        let mut table = table::new(&["cause", "from", "to", "pages", "failed", "why"]);
        for (pair, moves) in &self.counts.moves {
            table.add_row(move_row(pair, moves));
        }
        lines.extend(table::lines(table, 1));
        if self.counts.move_times.is_empty() {
            return lines;
        }
        let mut table = table::new(&["cause", "folios", "total", "median", "p90", "p99", "p99.9", "max"]);
        for (cause, t) in &self.counts.move_times {
            let mut cells = vec![cause.to_string(), t.count().to_string()];
            cells.extend(times(t));
            table.add_row(cells);
        }
        lines.push(text::part("migration time of a folio, including waiting"));
        lines.extend(table::lines(table, 1));
        lines
    }

    fn checks(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (title, tally_of) in [
            ("pages marked for lazy migration, or why not", &self.counts.marks),
            ("policy checks, by verdict or reason to skip", &self.counts.checks),
        ] {
            if tally_of.total() > 0 {
                lines.extend([text::part(title), format!("   {}", tally(tally_of, ", ")).into()]);
            }
        }
        let tasks = self.counts.tasks.iter().map(|(what, n)| format!("{what} {n}")).collect::<Vec<_>>();
        if !tasks.is_empty() {
            lines.extend([text::part("task events"), format!("   {}", tasks.join(", ")).into()]);
        }
        lines
    }

    fn wait_times(&self) -> Vec<Line> {
        let mut lines = vec![text::part("callers' wait time")];
        let faults = self.fault_times();
        if self.counts.faults.is_empty() {
            let why = none_or(&self.meta, Probe::Fault, "unknown, they were not recorded");
            lines.push(format!("   in page faults: {why}").into());
        } else if faults.count() == 0 {
            lines.push("   in page faults: unknown, their ends were not recorded".into());
        }
        if self.counts.requests.is_empty() {
            let why = none_or(&self.meta, Probe::Request, "unknown, they were not recorded");
            lines.push(format!("   in placement syscalls: {why}").into());
        }
        let mut table = table::new(&["in", "count", "failed", "total", "median", "p90", "p99", "p99.9", "max"]);
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
            lines.extend(table::lines(table, 1));
        }
        lines
    }

    /// The name of a process.
    fn name(&self, id: ProcessId) -> Option<String> {
        self.counts.processes.list().iter().find(|p| p.identity == id).map(|p| p.comm.clone())
    }

    /// Which processes waited for migrations, and by which threads.
    fn migration_waits(&self, top: usize) -> Vec<Line> {
        let all = self.counts.waits.longest();
        if all.is_empty() {
            return Vec::new();
        }
        let name =
            |id: ProcessId| format!("{} {}", self.name(id).map_or_else(unknown, |name| escape_control(&name)), id.pid);
        let mut table = table::new(&["waited", "for migrations by", "cause", "faults", "total", "max"]);
        for (pair, count) in all.iter().take(top) {
            let (by, cause) = pair.migration.as_ref().map_or_else(
                || (unknown(), unknown()),
                |m| (format!("{} {}", escape_control(&m.comm), m.pid), m.cause.to_string()),
            );
            let times = [count.total_ns, count.max_ns].map(text::duration);
            let cells = [name(pair.waiter), by, cause, count.faults.to_string()];
            table.add_row(cells.into_iter().chain(times));
        }
        let title = format!("waits for pages that were being migrated ({} of {})", all.len().min(top), all.len());
        let mut lines = vec![text::part(&title)];
        lines.extend(table::lines(table, 3));
        let others = self.counts.waits.others();
        if others.faults > 0 {
            let (faults, total) = (text::count(others.faults, "fault"), text::duration(others.total_ns));
            lines.push(format!("   further waits, counted together: {faults}, {total}").into());
        }
        lines
    }

    fn batches(&self) -> Vec<Line> {
        if self.counts.batches.is_empty() {
            return Vec::new();
        }
        let pages = ["requested", "succeeded", "freed", "failed"];
        let columns = [&["cause", "mode", "batches"], pages.as_slice(), &["total", "median", "max"]].concat();
        let mut table = table::new(&columns);
        for (cause, modes) in &self.counts.batches {
            for (mode, b) in modes {
                let asked = if b.without_asked > 0 { unknown() } else { b.asked_pages.to_string() };
                let [total, median, .., max] = times(&b.times);
                let freed = match (b.without_unmoved, mode.as_str()) {
                    (0, _) => b.unmoved_pages.to_string(),
                    (_, "lazy") => "-".into(),
                    _ => unknown(),
                };
                let pages = [asked, b.succeeded_pages.to_string(), freed, b.failed_pages.to_string()];
                let mut cells = vec![cause.to_string(), escape_control(mode), b.times.count().to_string()];
                cells.extend(pages.into_iter().chain([total, median, max]));
                table.add_row(cells);
            }
        }
        let mut lines = vec![text::part("batches of the kernel's migrate_pages() and of lazy marks, in pages")];
        lines.extend(table::lines(table, 2));
        lines
    }

    fn processes(&self, top: usize) -> Vec<Line> {
        let processes = self.top_processes(top);
        if processes.is_empty() {
            return Vec::new();
        }
        let all = self.counts.processes.list().len();
        let title = format!("processes, by remote faults and pages migrated ({} of {all})", processes.len());
        // If all are in the root cgroup, the column has no information.
        let has_cgroups = processes.iter().any(|p| self.cgroup(p).is_some_and(|path| path != "/"));
        let mut columns = vec!["pid", "command", "events", "faults", "remote", "migrated", "wait time"];
        columns.extend(has_cgroups.then_some("cgroup"));
        let mut table = table::new(&columns);
        for p in processes {
            let mut row = vec![
                p.identity.pid.to_string(),
                escape_control(&p.comm),
                p.events.to_string(),
                p.faults.to_string(),
                self.remote_faults(p).map_or_else(unknown, |n| n.to_string()),
                self.moved_by(p).map_or_else(unknown, |n| n.to_string()),
                self.stalled_ns(p).map_or_else(unknown, text::duration),
            ];
            row.extend(has_cgroups.then(|| self.cgroup(p).map_or_else(unknown, describe::cgroup)));
            table.add_row(row);
        }
        let mut lines = vec![text::part(&title)];
        lines.extend(table::lines(table, 2));
        let details = self.top_processes(top).into_iter().filter_map(|p| describe::process(self.details(p)?));
        lines.extend(details.map(|text| format!("   {text}").into()));
        let others = &self.counts.processes.others;
        if others.events > 0 {
            let text = format!("   further processes, counted together: {} events", others.events);
            lines.push(text.into());
        }
        lines
    }
}

fn move_row((cause, from, to): &Pair, moves: &MoveCount) -> Vec<String> {
    let to = to.map_or_else(unknown, |n| n.to_string());
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

/// `none`, or what to say if the probe was not attached.
fn none_or<'a>(meta: &Meta, probe: Probe, unknown: &'a str) -> &'a str {
    if meta.coverage(probe, None).is_available() { "none" } else { unknown }
}

fn tally(tally: &Tally, separator: &str) -> String {
    tally.iter().map(|(word, n)| format!("{} {n}", escape_control(word))).collect::<Vec<_>>().join(separator)
}

/// `median 1.23 µs, p99 4.56 µs, max 1.00 ms`.
fn percentiles(latencies: &Latencies) -> String {
    let [_, median, _, p99, _, max] = times(latencies);
    format!("median {median}, p99 {p99}, max {max}")
}
