//! `migtrace top` on a terminal, live: what each view shows against a trace recorded beside it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use migtrace::event::{Body, Cause, Event, FaultClass, Outcome};
use nix::pty::{Winsize, openpty};
use tempfile::TempDir;

use crate::{
    recorder::{Beside, Heard, PATIENCE, Recorder},
    requirements::needs,
    support::{Script, WRITTEN_ON_1, migtrace},
};

/// The smallest screen that is promised.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// What the kernel calls the workload.
const NAME: &str = "marked-toy";

/// A screen under way, and the keyboard.
struct Screen {
    child: Beside,
    keys: File,
    drawn: Heard,
    /// Where it saves.
    dir: TempDir,
}

/// A view's rows as they were saved, by column.
type Rows = Vec<BTreeMap<String, String>>;

impl Screen {
    /// Waits until the first view is drawn: then the probes are attached.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let terminal = openpty(Some(&SIZE), None).unwrap();
        let of_terminal = || Stdio::from(terminal.slave.try_clone().unwrap());
        let mut command = migtrace();
        command.arg("top").current_dir(&dir).env("TERM", "xterm").env("XDG_CONFIG_HOME", dir.path());
        let child = Beside::start(command.stdin(of_terminal()).stdout(of_terminal()).stderr(of_terminal()));
        let keys = File::from(terminal.master);
        let drawn = Heard::from(keys.try_clone().unwrap());
        drawn.wait_for("Overview");
        Self { child, keys, drawn, dir }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// What a key of a view saves into a file with this ending.
    fn saved(&mut self, key: &str, ending: &str) -> String {
        let files = |dir: &TempDir| {
            let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            entries.filter(|path| path.extension().is_some_and(|is| is == ending)).collect::<Vec<PathBuf>>()
        };
        self.press(key);
        let began = Instant::now();
        loop {
            // A file may be there before its content is, or hold half a character.
            let text = files(&self.dir).first().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
            if text.ends_with('\n') {
                thread::sleep(Duration::from_millis(100));
                let path = &files(&self.dir)[0];
                let text = fs::read_to_string(path).unwrap();
                fs::remove_file(path).unwrap();
                return text;
            }
            assert!(began.elapsed() < PATIENCE, "{key} saved nothing");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn rows(&mut self, view: &str) -> Rows {
        self.press(view);
        let saved = self.saved("e", "csv");
        csv::Reader::from_reader(saved.as_bytes()).deserialize().map(Result::unwrap).collect()
    }

    /// What the terminal got after the last frame: it must be given back.
    fn quit(mut self) -> String {
        self.press("q");
        assert!(self.child.0.wait().unwrap().success());
        drop(self.keys);
        thread::sleep(Duration::from_millis(200));
        self.drawn.so_far()
    }
}

/// The number in a column.
fn number(row: &BTreeMap<String, String>, column: &str) -> u64 {
    row[column].parse::<f64>().unwrap_or_else(|_| panic!("{column} of {row:?}")) as u64
}

#[test]
fn each_view_of_top_shows_what_a_trace_recorded_beside_it_holds() {
    needs!(migrate_on_fault);
    let mut screen = Screen::start();
    let recorder = Recorder::attached(&[]);
    // Three of eight pages move, those from the sixth on; four of another segment do so at once.
    let lazily = "mbind seg bind+move+lazy 2\ntouch seg 5p read\n";
    let at_once = "anon now 4p\nmap now\nmbind now preferred 1\ntouch now write\nmbind now bind+move 3\n";
    let script = Script::new(&format!("{WRITTEN_ON_1}{lazily}{at_once}pid\nsnooze 600\n"));
    let (read, write) = std::io::pipe().unwrap();
    // Under a name of its own, by which it is found.
    let toy = screen.dir.path().join(NAME);
    std::os::unix::fs::symlink(script.argv()[0], &toy).unwrap();
    let holder = Beside::start(Command::new(toy).args(&script.argv()[1..]).stdin(Stdio::null()).stdout(write));
    let pid = holder.0.id();
    let mut lines = BufReader::new(read).lines();
    assert!(lines.any(|line| line.unwrap().contains("pid = ")), "memtoy has done its work");
    // Counts come each second, and are drawn with the next frame.
    thread::sleep(Duration::from_secs(3));

    let overview = screen.saved("1w", "txt");
    let processes = screen.rows("2");
    // Finds the process and opens it.
    screen.press(&format!("f{NAME}\r"));
    screen.press("\r");
    // /proc/PID/numa_maps is read beside, and knows the policy that is set now.
    thread::sleep(Duration::from_secs(2));
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
    let asked: Vec<u64> =
        of_process.iter().filter_map(|e| if let Body::Request(r) = &e.body { r.addr } else { None }).collect();
    let (seg, now) = (region(asked[0]), region(*asked.last().unwrap()));
    assert_eq!((number(seg, "MOVED"), number(now, "MOVED")), (3, 4), "{regions:?}");
    assert_eq!((&*seg["POLICY"], &*now["PAGES ON"]), ("bind:2", "3:100%"), "{regions:?}");
    let lives: Vec<_> = pages.iter().filter(|row| row["PID"] == pid.to_string()).collect();
    assert_eq!(lives.iter().filter(|row| number(row, "MOVES") == 1).count(), 7, "{pages:?}");
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
    let told =
        log.iter().filter(|row| row.values().any(|text| text.contains("migrated from node 1 to node 2"))).count();
    assert_eq!(told, 3, "{log:?}");
    let events = |probe: &str| number(probes.iter().find(|row| row["PROBE"] == probe).unwrap(), "EVENTS");
    assert_eq!(["lazy_migrate", "direct_migrate", "mark"].map(events), [3, 4, 8]);
    let line =
        |name: &str| overview.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{overview}"));
    assert!(line("pages migrated").trim_end().ends_with(" 7"), "{overview}");
    assert!(line("misplaced").trim_end().ends_with(" 3"), "{overview}");
    // The other screen, and the cursor, are there again.
    assert!(end.contains("\u{1b}[?1049l") && end.contains("\u{1b}[?25h"), "{end:?}");
}
