//! The results of all benches of one invocation: as text, as JSON, and as an exit status.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xtask_common::{
    exit::{FINDING, FINE},
    files::write_atomically,
};

use crate::{
    place::Place,
    report::{Failed, Report, Verdict},
    table,
};

/// All outcomes, and the machine that they were measured on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub place: Place,
    pub repeats: u32,
    pub benches: Vec<Outcome>,
}

/// The outcome of one bench: a report, or an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub bench: String,
    pub(crate) report: Option<Report>,
    pub(crate) error: Option<Failed>,
}

impl Outcome {
    /// Converts what a bench returned.
    pub(crate) fn new(bench: String, measured: Result<Report>) -> Outcome {
        match measured {
            Ok(report) => Outcome { bench, report: Some(report), error: None },
            Err(error) => Outcome { bench, report: None, error: Some(Failed::of(&error)) },
        }
    }
}

impl Outcome {
    /// Returns the bench's tables as text.
    pub fn text(&self) -> String {
        let body = match (&self.report, &self.error) {
            (Some(report), _) => table::text(report),
            (None, Some(failed)) => format!("could not run: {}\n", failed.why),
            (None, None) => "nothing was measured\n".to_owned(),
        };
        format!("\n== {}\n{body}", self.bench)
    }
}

/// Returns the path of the file in which the virtual machine leaves its results for the host.
pub fn file(target: &Path) -> PathBuf {
    target.join("bench/results.json")
}

impl Results {
    /// Writes the results as JSON.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(self).context("cannot write JSON")?;
        json.push(b'\n');
        // A bare file name has no parent folder.
        let file = std::path::absolute(file).with_context(|| format!("invalid path: {}", file.display()))?;
        write_atomically(&file, &json)
    }

    /// Reads a file that [`Results::write`] wrote.
    pub fn read(file: &Path) -> Result<Results> {
        let json = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&json).with_context(|| format!("{} contains no bench results", file.display()))
    }

    /// Returns the heading: the machine, and how to read the numbers.
    pub fn head(&self) -> String {
        format!(
            "{}\nmedian (min..max) of {} run(s) per arm; arms alternate; absolute times vary by machine and by hour: \
             compare ratios\n",
            self.place.text(),
            self.repeats
        )
    }

    /// Returns the exit status of the first bench or arm that could not run, if there is one. With `gate`, returns
    /// [`FINDING`] unless every limit is met.
    pub fn status(&self, gate: bool) -> u8 {
        let reports = || self.benches.iter().filter_map(|outcome| outcome.report.as_ref());
        let benches = self.benches.iter().filter_map(|outcome| outcome.error.as_ref());
        if let Some(failed) = benches.chain(reports().flat_map(|report| &report.failed)).next() {
            return failed.status;
        }
        let mut limits = reports().flat_map(|report| &report.limits);
        if gate && limits.any(|limit| limit.verdict != Verdict::Met) { FINDING } else { FINE }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::{
        report::{Bound, Unit},
        spread::Spread,
    };
    use xtask_common::exit::{ENVIRONMENT, Failure};

    fn results(measured: Vec<Result<Report>>) -> Results {
        let place = Place {
            place: "native".to_owned(),
            kernel: "6.18.0".to_owned(),
            processor: "a processor".to_owned(),
            cpus: 2,
            virtualized: true,
            counted: false,
        };
        let benches = measured.into_iter().map(|measured| Outcome::new("it".to_owned(), measured)).collect();
        Results { place, repeats: 5, benches }
    }

    fn report(value: f64) -> Report {
        let mut report = Report::new(&[]);
        report.limit("ratio", Unit::Ratio, Spread::of([Some(value)]), Bound::AtMost(1.0));
        report
    }

    #[test]
    fn a_missed_limit_sets_the_exit_status_only_with_the_gate() {
        let missed = results(vec![Ok(report(0.5)), Ok(report(1.5))]);
        assert_eq!((missed.status(false), missed.status(true)), (FINE, FINDING));
        assert_eq!(results(vec![Ok(report(0.5))]).status(true), FINE);
    }

    #[test]
    fn a_bench_that_could_not_run_sets_the_exit_status_and_the_others_are_shown() {
        let lacking = anyhow!(Failure::Environment("no perf".into())).context("the arm");
        let results = results(vec![Err(lacking), Ok(report(0.5))]);
        assert_eq!(results.status(false), ENVIRONMENT);
        let text = results.benches.iter().map(Outcome::text).collect::<String>();
        assert!(text.contains("could not run: the arm: no perf") && text.contains("at most 1.00"), "{text}");
        assert!(results.head().contains("itself a guest"), "{}", results.head());
    }

    #[test]
    fn an_arm_that_could_not_run_sets_the_exit_status() {
        let mut report = report(0.5);
        report.failed.push(Failed::of(&anyhow!(Failure::Environment("no bpftrace".into()))));
        let results = results(vec![Ok(report)]);
        assert_eq!(results.status(false), ENVIRONMENT);
        let text = results.benches[0].text();
        assert!(text.contains("could not run: no bpftrace"), "{text}");
    }

    #[test]
    fn written_results_can_be_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("new/results.json");
        let noise = Spread { median: 1.0, range: None, values: Vec::new() };
        let mut report = report(0.25);
        report.row("arm", [Some(noise), None]);
        results(vec![Ok(report)]).write(&file).expect("writable");
        let read = Results::read(&file).expect("readable");
        let report = read.benches[0].report.as_ref().expect("a report");
        assert_eq!(report.limits[0].value.as_ref().map(|value| value.median), Some(0.25));
        assert_eq!(report.rows[0].cells[0].as_ref().map(|value| value.range), Some(None));
    }
}
