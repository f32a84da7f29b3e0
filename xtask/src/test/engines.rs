//! Tests that other engines read traces, and that migtrace reads what they rewrite.
//!
//! The engines are installed from PyPI into target/python, and their oldest versions that read traces into
//! target/python-oldest. Tests whose engines are not installed and cannot be are reported as skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};
use xtask_common::{command, files::create_dir, progress::say};

use super::{Report, tally::Tally};
use crate::{
    cargo,
    paths::Paths,
    pypi::{self, Environment, Packages},
};

const SET: &str = "other engines";
const ENGINES: [&str; 3] = ["pyarrow", "duckdb", "polars"];
/// Packages on PyPI, with the versions that are known to work.
const NEWEST: Packages<'_> = &[
    ("pyarrow", "26.0.1"),
    ("duckdb", "2.0.1"),
    ("polars", "2.1.0"),
    ("pyiceberg[sql-sqlite]", "0.12.0"),
    ("deltalake", "1.6.6"),
];
/// The oldest versions that read traces, as docs/trace-format.md names them. NumPy is pyarrow's.
const OLDEST: Packages<'_> = &[("pyarrow", "10.0.1"), ("duckdb", "0.8.0"), ("polars", "0.14.10"), ("numpy", "1.26.4")];
/// Shapes of the synthetic recordings.
const SHAPES: [&str; 3] = ["regular", "mixed", "noise"];
/// Enough for more than one row group.
const EVENTS: &str = "300000";
/// A trace of every kind of event, with addresses of the kernel's half.
const EVERY_KIND: &str = "migtrace/src/trace/tests/format-4.parquet";

/// What one test does.
#[derive(Clone, Copy)]
enum Test {
    /// An engine, newest or oldest, counts a trace.
    Count { engine: &'static str, oldest: bool, shape: &'static str },
    /// migtrace reads what an engine wrote.
    Rewrite { engine: &'static str },
    /// A table format takes a trace.
    Table { format: &'static str },
}

impl Test {
    fn all() -> impl Iterator<Item = Self> {
        let count = |oldest| {
            let shapes = move |engine| SHAPES.map(|shape| Self::Count { engine, oldest, shape });
            ENGINES.into_iter().flat_map(shapes)
        };
        let rewrites = ENGINES.map(|engine| Self::Rewrite { engine });
        let tables = ["iceberg", "delta"].map(|format| Self::Table { format });
        count(false).chain(count(true)).chain(rewrites).chain(tables)
    }

    fn name(self) -> String {
        match self {
            Self::Count { engine, oldest: false, shape } => format!("{engine}_counts_a_{shape}_trace_as_migtrace_does"),
            Self::Count { engine, oldest: true, shape } => {
                format!("the_oldest_{engine}_counts_a_{shape}_trace_as_migtrace_does")
            }
            Self::Rewrite { engine } => format!("migtrace_reads_a_trace_that_{engine}_rewrote"),
            Self::Table { format } => format!("a_trace_becomes_a_table_of_{format}"),
        }
    }

    fn is_of_oldest(self) -> bool {
        matches!(self, Self::Count { oldest: true, .. })
    }
}

/// Runs the tests whose name contains `filter`. Returns `None` if there are none.
pub(super) fn run(paths: &Paths, filter: Option<&str>) -> Result<Option<Report>> {
    let wanted = |test: &Test| filter.is_none_or(|f| test.name().contains(f));
    let (oldest, newest): (Vec<_>, Vec<_>) = Test::all().filter(wanted).partition(|test| test.is_of_oldest());
    if oldest.is_empty() && newest.is_empty() {
        return Ok(None);
    }
    say("tests with other engines");
    let began = Instant::now();
    let mut tally = Tally::default();
    let programs = Programs::build(paths)?;
    for (tests, place, packages) in [(newest, "python", NEWEST), (oldest, "python-oldest", OLDEST)] {
        if tests.is_empty() {
            continue;
        }
        let place = paths.target.join(place);
        let missing = match pypi::ensure(&place, packages)? {
            Environment::Ready => None,
            Environment::Unreachable => Some("PyPI cannot be reached"),
            Environment::Unsupported => Some("PyPI has no prebuilt packages for this version of Python"),
        };
        if let Some(why) = missing {
            say(format!("  skipped {} tests: {why}", tests.len()));
            tally.ignored += tests.len() as u64;
            continue;
        }
        let python = place.join("bin/python");
        for test in tests {
            let fine = programs.run(&python, test)?;
            println!("test {} ... {}", test.name(), if fine { "ok" } else { "FAILED" });
            *if fine { &mut tally.passed } else { &mut tally.failed } += 1;
        }
    }
    Ok(Some(Report { set: SET.to_owned(), took: began.elapsed(), tally, problem: None }))
}

/// The programs and files of the tests.
struct Programs {
    script: PathBuf,
    every_kind: PathBuf,
    /// Where traces are written.
    dir: PathBuf,
    migtrace: PathBuf,
    /// bench-replay, which writes the synthetic recordings.
    replay: PathBuf,
}

impl Programs {
    fn build(paths: &Paths) -> Result<Self> {
        let migtrace = super::build(paths, "bin", "migtrace")?;
        let mut cargo = cargo::cargo(paths);
        cargo.arg("build").args(super::PACKAGES).args(["--bin", "bench-replay"]).arg(cargo::NAMES_EXECUTABLES);
        let replay = cargo::build_executable(&mut cargo, "bin", "bench-replay").context("cannot build bench-replay")?;
        let dir = paths.target.join("engines");
        create_dir(&dir)?;
        let script = paths.checkout.join("xtask/src/test/engines.py");
        Ok(Self { script, every_kind: paths.checkout.join(EVERY_KIND), dir, migtrace, replay })
    }

    fn run(&self, python: &Path, test: Test) -> Result<bool> {
        let script = |arguments: &[&Path]| {
            let mut command = Command::new(python);
            command.arg(&self.script).args(arguments).stdin(Stdio::null());
            let status = command.status().with_context(|| format!("cannot start `{}`", command::shown(&command)))?;
            Ok(status.success())
        };
        match test {
            Test::Count { engine, shape, .. } => {
                let trace = self.synthetic(shape)?;
                script(&["count".as_ref(), engine.as_ref(), &trace, &self.summary(&trace)?])
            }
            Test::Rewrite { engine } => {
                let (trace, out) = (self.synthetic(SHAPES[1])?, self.dir.join(format!("{engine}.parquet")));
                if !script(&["rewrite".as_ref(), engine.as_ref(), &trace, &out])? {
                    return Ok(false);
                }
                script(&["same".as_ref(), &self.summary(&trace)?, &self.summary(&out)?])
            }
            Test::Table { format } => {
                let trace = self.dir.join("every-kind.parquet");
                command::run(Command::new(&self.migtrace).arg("convert").arg(&self.every_kind).arg(&trace))?;
                script(&[format.as_ref(), &trace])
            }
        }
    }

    fn synthetic(&self, shape: &str) -> Result<PathBuf> {
        let trace = self.dir.join(format!("{shape}.parquet"));
        let synth = ["synth", shape, "--events", EVENTS, "--output"];
        command::run(Command::new(&self.replay).args(synth).arg(&trace))?;
        Ok(trace)
    }

    fn summary(&self, trace: &Path) -> Result<PathBuf> {
        let summary = command::output(Command::new(&self.migtrace).args(["summary", "--json"]).arg(trace))?;
        let path = trace.with_extension("json");
        fs::write(&path, summary).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
