//! How each question can be answered on this kernel: exactly, as an estimate, or not, and why.

use std::cmp::Reverse;

use serde::Serialize;

use crate::{
    event::{Probe, ProbeField},
    recording::{Fidelity, ProbeInfo, coverage},
};

/// One question that migtrace answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    pub question: &'static str,
    pub fidelity: Fidelity,
    /// What is missing, or why the answer is an estimate.
    pub why: Option<String>,
}

/// The requirements of a question.
struct Needs {
    question: &'static str,
    /// Probes and fields that the answer needs.
    all: &'static [(Probe, Option<ProbeField>)],
    /// Why the answer can only be an estimate.
    estimate: Option<&'static str>,
}

const QUESTIONS: &[Needs] = &[
    Needs { question: "page faults, one by one", all: &[(Probe::Fault, None)], estimate: None },
    Needs {
        question: "faults by class, and how long each took",
        all: &[
            (Probe::Fault, None),
            (Probe::Fault, Some(ProbeField::Class)),
            (Probe::Fault, Some(ProbeField::LatencyNs)),
        ],
        estimate: None,
    },
    Needs {
        question: "first touches of a page on a remote node",
        all: &[(Probe::Fault, None), (Probe::Fault, Some(ProbeField::Nid)), (Probe::Fault, Some(ProbeField::Class))],
        estimate: Some(
            "counted from faults of class anon, huge, hugetlb and cow; no policy is checked, and it may want the page there",
        ),
    },
    Needs {
        question: "NUMA hinting faults, their checks and verdicts",
        all: &[(Probe::HintingCheck, None), (Probe::Fault, Some(ProbeField::Class))],
        estimate: None,
    },
    Needs {
        question: "page migrations: source, target and cause",
        all: &[(Probe::DirectMigrate, None), (Probe::Batch, None)],
        estimate: None,
    },
    Needs {
        question: "addresses of migrated pages",
        all: &[(Probe::DirectMigrate, None), (Probe::DirectMigrate, Some(ProbeField::Addr))],
        estimate: None,
    },
    Needs {
        question: "migration time: copy and remap",
        all: &[
            (Probe::DirectMigrate, None),
            (Probe::DirectMigrate, Some(ProbeField::CopyNs)),
            (Probe::DirectMigrate, Some(ProbeField::RemapNs)),
        ],
        estimate: None,
    },
    Needs { question: "batches: calls of migrate_pages(), failed pages", all: &[(Probe::Batch, None)], estimate: None },
    Needs { question: "placement syscalls and their latency", all: &[(Probe::Request, None)], estimate: None },
    Needs {
        question: "lazy marks, and checks and migrations in faults",
        all: &[(Probe::Mark, None), (Probe::Check, None), (Probe::LazyMigrate, None)],
        estimate: None,
    },
    Needs {
        question: "threads that changed to another node",
        all: &[(Probe::Task, None), (Probe::Task, Some(ProbeField::ToNode))],
        estimate: None,
    },
    Needs {
        question: "mappings: kind, file, policy",
        all: &[(Probe::Fault, None), (Probe::Fault, Some(ProbeField::Region))],
        estimate: None,
    },
];

/// The answers, given how the roles were filled.
pub(super) fn all(probes: &[ProbeInfo]) -> Vec<View> {
    QUESTIONS.iter().map(|needs| answer(needs, probes)).collect()
}

fn answer(needs: &Needs, probes: &[ProbeInfo]) -> View {
    let inexact = needs.all.iter().filter_map(|&(probe, field)| {
        let found = coverage::coverage(probes, &probe.into(), field);
        let of = field.map_or_else(|| probe.name().to_owned(), |field| format!("{}.{field}", probe.name()));
        found.why().map(|why| (found.fidelity(), format!("{of}: {why}")))
    });
    let estimate = needs.estimate.map(|why| (Fidelity::Estimated, why.to_owned()));
    // The first of the worst.
    let worst = inexact.chain(estimate).min_by_key(|(fidelity, _)| Reverse(*fidelity));
    let (fidelity, why) = worst.map_or((Fidelity::Exact, None), |(fidelity, why)| (fidelity, Some(why)));
    View { question: needs.question, fidelity, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(probe: Probe, field: Option<ProbeField>, error: Option<&str>) -> ProbeInfo {
        ProbeInfo {
            probe: probe.into(),
            field: field.map(Into::into),
            attached: error.is_none().then(|| "somewhere".into()),
            error: error.map(str::to_owned),
            fidelity: Fidelity::Exact.into(),
        }
    }

    #[test]
    fn a_question_is_answered_by_what_is_attached() {
        let probes = [
            hook(Probe::Fault, None, None),
            hook(Probe::Fault, Some(ProbeField::Class), Some("not shown")),
            hook(Probe::Request, None, Some("no such call")),
            hook(Probe::Request, None, None),
        ];
        let views = all(&probes);
        let of = |question: &str| views.iter().find(|view| view.question.contains(question)).expect("a view");
        assert_eq!(of("one by one").fidelity, Fidelity::Exact);
        assert_eq!(of("by class").fidelity, Fidelity::Unavailable);
        assert!(of("by class").why.as_ref().is_some_and(|why| why.contains("not shown")));
        assert_eq!(of("placement syscalls").fidelity, Fidelity::Exact);
        assert_eq!(of("lazy marks").fidelity, Fidelity::Unavailable);
    }

    #[test]
    fn an_estimate_says_why() {
        let probes = [hook(Probe::Fault, None, None), hook(Probe::Fault, Some(ProbeField::Class), None)];
        let view = &all(&probes)[2];
        assert_eq!(view.fidelity, Fidelity::Estimated);
        assert!(view.why.is_some());
    }
}
