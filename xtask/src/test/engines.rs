//! Tests that pyarrow and DuckDB count a trace as `migtrace summary --json` does.
//!
//! Both are installed from PyPI into target/python. If they are not installed and PyPI cannot be reached, the tests are
//! reported as skipped.

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
    pypi::{self, Environment},
};

const SET: &str = "other engines";
/// The engines' packages on PyPI, with the versions that are known to work.
const ENGINES: [(&str, &str); 2] = [("pyarrow", "26.0.1"), ("duckdb", "2.0.1")];
/// Shapes of the synthetic recordings.
const SHAPES: [&str; 3] = ["regular", "mixed", "noise"];
/// Enough for more than one row group.
const EVENTS: &str = "300000";

/// Runs the tests whose name contains `filter`. Returns `None` if there are none.
pub(super) fn run(paths: &Paths, filter: Option<&str>) -> Result<Option<Report>> {
    let wanted = |engine: &str, shape: &str| filter.is_none_or(|f| name(engine, shape).contains(f));
    let all = ENGINES.iter().flat_map(|(engine, _)| SHAPES.map(|shape| (*engine, shape)));
    let tests = all.filter(|(engine, shape)| wanted(engine, shape)).collect::<Vec<_>>();
    if tests.is_empty() {
        return Ok(None);
    }
    say("tests with other engines");
    let began = Instant::now();
    let mut tally = Tally::default();
    let python = match python(paths)? {
        Ok(python) => python,
        Err(why) => {
            say(format!("  skipped {} tests: {why}", tests.len()));
            tally.ignored = tests.len() as u64;
            return Ok(Some(Report { set: SET.to_owned(), took: began.elapsed(), tally, problem: None }));
        }
    };
    let programs = Programs::build(paths, python)?;
    let dir = paths.target.join("engines");
    create_dir(&dir)?;
    for (engine, shape) in tests {
        let fine = test(paths, &programs, &dir, engine, shape)?;
        println!("test {} ... {}", name(engine, shape), if fine { "ok" } else { "FAILED" });
        *if fine { &mut tally.passed } else { &mut tally.failed } += 1;
    }
    Ok(Some(Report { set: SET.to_owned(), took: began.elapsed(), tally, problem: None }))
}

fn name(engine: &str, shape: &str) -> String {
    format!("{engine}_counts_a_{shape}_trace_as_migtrace_does")
}

/// The programs that the tests run.
struct Programs {
    python: PathBuf,
    migtrace: PathBuf,
    /// bench-replay, which writes the synthetic recordings.
    replay: PathBuf,
}

impl Programs {
    fn build(paths: &Paths, python: PathBuf) -> Result<Programs> {
        let migtrace = super::build(paths, "bin", "migtrace")?;
        let mut cargo = cargo::cargo(paths);
        cargo.arg("build").args(super::PACKAGES).args(["--bin", "bench-replay"]).arg(cargo::NAMES_EXECUTABLES);
        let replay = cargo::build_executable(&mut cargo, "bin", "bench-replay").context("cannot build bench-replay")?;
        Ok(Programs { python, migtrace, replay })
    }
}

fn test(paths: &Paths, programs: &Programs, dir: &Path, engine: &str, shape: &str) -> Result<bool> {
    let Programs { python, migtrace, replay } = programs;
    let (trace, counts) = (dir.join(format!("{shape}.parquet")), dir.join(format!("{shape}.json")));
    let synth = ["synth", shape, "--events", EVENTS, "--output"];
    command::run(Command::new(replay).args(synth).arg(&trace))?;
    let summary = command::output(Command::new(migtrace).args(["summary", "--json"]).arg(&trace))?;
    fs::write(&counts, summary).with_context(|| format!("cannot write {}", counts.display()))?;
    let script = paths.checkout.join("xtask/src/test/engines.py");
    let mut count = Command::new(python);
    count.arg(script).arg(engine).args([&trace, &counts]).stdin(Stdio::null());
    let status = count.status().with_context(|| format!("cannot start `{}`", command::shown(&count)))?;
    Ok(status.success())
}

/// Returns the Python program that has the engines, or the reason why there is none.
fn python(paths: &Paths) -> Result<Result<PathBuf, String>> {
    let place = paths.target.join("python");
    Ok(match pypi::ensure(&place, &ENGINES)? {
        Environment::Ready => Ok(place.join("bin/python")),
        Environment::Unreachable => Err("PyPI cannot be reached".to_owned()),
    })
}
