//! `migtrace top` on a terminal, live: the contents of each view against a trace recorded at the same time.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use migtrace::{
    event::{Body, Cause, Event, FaultClass, Outcome},
    trace::Trace,
};
use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    pty::{Winsize, openpty},
};
use tempfile::TempDir;

use crate::{
    recorder::{CapturedOutput, ChildGuard, Recorder, TIMEOUT, wait_for},
    requirements::needs,
    support::{Script, WRITTEN_ON_1, migtrace},
};

/// The smallest supported screen.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// Process name of the workload.
const NAME: &str = "marked-toy";

/// A running `migtrace top` and its terminal.
struct Screen {
    child: ChildGuard,
    keys: File,
    drawn: CapturedOutput,
    /// The directory in which `top` saves files.
    dir: TempDir,
}

/// The saved rows of a view, by column.
type Rows = Vec<BTreeMap<String, String>>;

impl Screen {
    /// Starts `top` and waits until it draws the first view. The probes are attached then.
    fn start() -> Self {
        let (child, keys, dir) = start(&[]);
        let drawn = CapturedOutput::from(keys.try_clone().unwrap());
        drawn.wait_for("Overview");
        Self { child, keys, drawn, dir }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Presses a key that saves a file with this extension. Returns the contents, and removes the file.
    fn saved(&mut self, key: &str, extension: &str) -> String {
        self.press(key);
        let began = Instant::now();
        loop {
            // The file may exist before it is complete, and end within a character.
            let text = self.file(extension).and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
            if text.ends_with('\n') {
                thread::sleep(Duration::from_millis(100));
                return self.take(extension).unwrap();
            }
            assert!(began.elapsed() < TIMEOUT, "{key} saved nothing");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn file(&self, extension: &str) -> Option<PathBuf> {
        let mut entries = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.extension().is_some_and(|is| is == extension))
    }

    /// Returns the contents of a saved file, and removes it.
    fn take(&self, extension: &str) -> Option<String> {
        let path = self.file(extension)?;
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        Some(text)
    }

    /// Presses the key of a view and returns its rows.
    fn rows(&mut self, view: &str) -> Rows {
        self.press(view);
        let saved = self.saved("e", "csv");
        csv::Reader::from_reader(saved.as_bytes()).deserialize().map(Result::unwrap).collect()
    }

    /// Waits until a row of a view satisfies a condition.
    fn wait_for_row(&mut self, view: &str, is_there: impl Fn(&BTreeMap<String, String>) -> bool) {
        wait_for("a row of top", || {
            // A view without rows saves no file. The screen is saved after that in any case.
            self.press(&format!("{view}e"));
            self.saved("w", "txt");
            let saved = self.take("csv")?;
            let rows: Rows = csv::Reader::from_reader(saved.as_bytes()).deserialize().map(Result::unwrap).collect();
            rows.iter().any(&is_there).then_some(())
        });
    }

    /// Quits, and returns the whole terminal output. Its end must restore the terminal.
    fn quit(mut self) -> String {
        self.press("q");
        assert!(self.child.0.wait().unwrap().success());
        drop(self.keys);
        self.drawn.wait_for("\u{1b}[?1049l");
        self.drawn.so_far()
    }
}

/// Starts `top`. Returns it, its terminal, and the directory in which it saves files.
fn start(options: &[&str]) -> (ChildGuard, File, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let terminal = openpty(Some(&SIZE), None).unwrap();
    for end in [&terminal.master, &terminal.slave] {
        // The program must not hold its own terminal open.
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    }
    let of_terminal = || Stdio::from(terminal.slave.try_clone().unwrap());
    let mut command = migtrace();
    command.arg("top").args(options).current_dir(&dir).env("TERM", "xterm").env("XDG_CONFIG_HOME", dir.path());
    let child = ChildGuard::start(command.stdin(of_terminal()).stdout(of_terminal()).stderr(of_terminal()));
    (child, File::from(terminal.master), dir)
}

/// Returns the number in a column.
fn number(row: &BTreeMap<String, String>, column: &str) -> u64 {
    row[column].parse::<f64>().unwrap_or_else(|_| panic!("{column} of {row:?}")) as u64
}

#[test]
fn each_view_agrees_with_a_trace_recorded_at_the_same_time() {
    needs!(migrate_on_fault);
    let mut screen = Screen::start();
    let recorder = Recorder::attached(&[]);
    // Three of eight pages migrate lazily: those from the sixth on. Four pages of another segment migrate directly.
    let lazily = "mbind seg bind+move+lazy 2\ntouch seg 5p read\n";
    let at_once = "anon now 4p\nmap now\nmbind now preferred 1\ntouch now write\nmbind now bind+move 3\n";
    let script = Script::new(&format!("{WRITTEN_ON_1}{lazily}{at_once}pid\nsnooze 600\n"));
    let (read, write) = std::io::pipe().unwrap();
    // The link gives the workload a unique process name, by which `top` finds it.
    let toy = screen.dir.path().join(NAME);
    std::os::unix::fs::symlink(script.argv()[0], &toy).unwrap();
    let holder = ChildGuard::start(Command::new(toy).args(&script.argv()[1..]).stdin(Stdio::null()).stdout(write));
    let pid = holder.0.id();
    let mut lines = BufReader::new(read).lines();
    assert!(lines.any(|line| line.unwrap().contains("pid = ")), "memtoy has executed the script up to pid");
    // `top` reads counts each second, and draws them with the next frame.
    screen.wait_for_row("2", |row| row["PID"] == pid.to_string() && row["MOVED"] == "7");
    // The same moves in the events that are listed one by one.
    screen.wait_for_row("5", |row| row["MOVED"] == "3");

    let overview = screen.saved("1w", "txt");
    let processes = screen.rows("2");
    // Finds the process and opens it.
    screen.press(&format!("f{NAME}\r"));
    screen.press("\r");
    // `top` reads the present policy from /proc/PID/numa_maps, outside of the events.
    screen.wait_for_row("", |row| row["POLICY"] == "bind:2");
    let regions = screen.rows("");
    let pages = screen.rows("4");
    let lazy = screen.rows("5");
    let latencies = screen.rows("6");
    let log = screen.rows("7");
    let probes = screen.rows("8");
    let end = screen.quit();
    drop(holder);
    recorder.signal(libc::SIGINT);
    let run = recorder.finish();

    let of_process: Vec<&Event> = run.events.iter().filter(|event| event.pid == pid).collect();
    let faults = of_process.iter().filter(|e| matches!(e.body, Body::Fault(_))).count() as u64;
    let class = |class| {
        let is = |e: &&&Event| matches!(&e.body, Body::Fault(f) if f.class == Some(class));
        of_process.iter().filter(is).count() as u64
    };
    let moved = |cause| {
        let is = |e: &&&Event| matches!(&e.body, Body::Migrate(m) if m.cause == cause && m.result == Outcome::Ok);
        of_process.iter().filter(is).count() as u64
    };
    assert_eq!((moved(Cause::LazyFault), moved(Cause::Mbind), class(FaultClass::Swap)), (3, 4, 3));

    let process = processes.iter().find(|row| row["PID"] == pid.to_string()).unwrap();
    assert_eq!((number(process, "FAULTS"), number(process, "MOVED"), number(process, "MISPL")), (faults, 7, 3));
    let region = |addr: u64| {
        regions
            .iter()
            .find(|row| row["START"] == format!("{addr:#x}"))
            .unwrap_or_else(|| panic!("{addr:#x} in {regions:?}"))
    };
    let addresses: Vec<u64> =
        of_process.iter().filter_map(|e| if let Body::Request(r) = &e.body { r.addr } else { None }).collect();
    let (seg, now) = (region(addresses[0]), region(*addresses.last().unwrap()));
    assert_eq!((number(seg, "MOVED"), number(now, "MOVED")), (3, 4), "{regions:?}");
    assert_eq!((&*seg["POLICY"], &*now["PAGES ON"]), ("bind:2", "3:100%"), "{regions:?}");
    let of_pages: Vec<_> = pages.iter().filter(|row| row["PID"] == pid.to_string()).collect();
    assert_eq!(of_pages.iter().filter(|row| number(row, "MOVES") == 1).count(), 7, "{pages:?}");
    let marked: Vec<_> =
        lazy.iter().map(|row| ["MARKED", "MOVED", "UNTOUCH"].map(|column| number(row, column))).collect();
    assert_eq!(marked, [[8, 3, 5]]);
    let count = |what: &str, which: &str| {
        let row = latencies.iter().find(|row| row["WHAT"] == what && row["WHICH"] == which);
        row.map_or(0, |row| number(row, "COUNT"))
    };
    let counts = [
        count("move", "lazy_fault"),
        count("move", "mbind"),
        count("pair", "lazy_fault 1 to 2"),
        count("pair", "mbind 1 to 3"),
    ];
    assert_eq!(counts, [3, 4, 3, 4], "{latencies:?}");
    let migrations =
        log.iter().filter(|row| row.values().any(|text| text.contains("migrated from node 1 to node 2"))).count();
    assert_eq!(migrations, 3, "{log:?}");
    let events = |probe: &str| number(probes.iter().find(|row| row["PROBE"] == probe).unwrap(), "EVENTS");
    assert_eq!(["lazy_migrate", "direct_migrate", "mark"].map(events), [3, 4, 8]);
    let line =
        |name: &str| overview.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{overview}"));
    assert!(line("pages migrated").trim_end().ends_with(" 7"), "{overview}");
    assert!(line("misplaced").trim_end().ends_with(" 3"), "{overview}");
    // The main screen and the cursor are restored.
    assert!(end.contains("\u{1b}[?1049l") && end.contains("\u{1b}[?25h"), "{end:?}");
}

#[test]
fn a_terminal_that_goes_away_leaves_a_whole_recording() {
    let (mut child, mut terminal, dir) = start(&["-o", "run.parquet"]);
    fcntl(&terminal, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).unwrap();
    // A read that waits in another thread would keep the terminal open.
    let mut drawn = Vec::new();
    let mut draw = |terminal: &mut File| {
        thread::sleep(Duration::from_millis(20));
        // Fails if nothing was drawn.
        let _ = terminal.read_to_end(&mut drawn);
        String::from_utf8_lossy(&drawn).into_owned()
    };
    let began = Instant::now();
    while !draw(&mut terminal).contains("Overview") {
        assert!(began.elapsed() < TIMEOUT, "it draws nothing");
    }
    terminal.write_all(b"r").unwrap();
    let path = dir.path().join("run.parquet");
    let parts = dir.path().join("run.parquet.partial");
    // The recorder writes a segment a second.
    while fs::read_dir(&parts).map_or(0, Iterator::count) < 2 {
        assert!(began.elapsed() < TIMEOUT, "nothing is recorded: {}", draw(&mut terminal));
        draw(&mut terminal);
    }
    drop(terminal);
    let status = child.0.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
    let trace = Trace::open(&path).unwrap();
    assert!(!trace.truncated() && trace.event_count() > 0);
    assert!(!parts.exists());
}

#[test]
fn batch_updates_have_the_counts_of_a_known_workload() {
    needs!(migrate_on_fault);
    let mut command = migtrace();
    command.args(["top", "--batch", "--json", "--view", "processes", "-d", "0.5"]);
    let mut top = ChildGuard::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut updates = BufReader::new(top.0.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).expect("a document on each line"));
    // The first update comes once the probes are attached.
    let first = updates.next().unwrap();
    assert_eq!((&first["update"], &first["recording"]), (&1.into(), &serde_json::Value::Null));
    let lazily = "mbind seg bind+move+lazy 2\ntouch seg 5p read\n";
    let at_once = "anon now 4p\nmap now\nmbind now preferred 1\ntouch now write\nmbind now bind+move 3\n";
    let script = Script::new(&format!("{WRITTEN_ON_1}{lazily}{at_once}pid\nsnooze 600\n"));
    let (read, write) = std::io::pipe().unwrap();
    let holder =
        ChildGuard::start(Command::new(script.argv()[0]).args(&script.argv()[1..]).stdin(Stdio::null()).stdout(write));
    let pid = holder.0.id();
    assert!(BufReader::new(read).lines().any(|line| line.unwrap().contains("pid = ")));
    let moved = |update: &serde_json::Value| {
        let row = update["rows"].as_array().unwrap().iter().find(|row| row["PID"] == pid).cloned();
        row.map(|row| (row["MOVED"].as_u64(), row["MISPL"].as_u64()))
    };
    let began = Instant::now();
    let done = updates.find(|update| {
        assert!(began.elapsed() < TIMEOUT, "{update}");
        moved(update) == Some((Some(7), Some(3)))
    });
    let done = done.unwrap();
    let total = |key: &str| done["rates"][key]["total"].as_u64().unwrap();
    assert!(total("pages_migrated") >= 7 && total("faults") >= 8 && done["lost"] == 0, "{done}");
    // SAFETY: a signal to a child that has not been waited for.
    unsafe { libc::kill(top.0.id() as i32, libc::SIGTERM) };
    drop(updates);
    assert_eq!(top.0.wait().unwrap().code(), Some(0));
}
