//! What each question gets for an answer on this kernel: exact, estimated or none, and why.

use serde::Serialize;

use crate::recording::ProbeInfo;

/// One question that migtrace answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    pub question: &'static str,
    /// `exact`, `estimated` or `unavailable`.
    pub fidelity: &'static str,
    /// What it lacks, or why it is an estimate.
    pub why: Option<String>,
}

/// What a question needs.
struct Needs {
    question: &'static str,
    /// Probes and fields that it needs.
    all: &'static [(&'static str, Option<&'static str>)],
    /// Why the answer is an estimate at best.
    estimate: Option<&'static str>,
}

const QUESTIONS: &[Needs] = &[
    Needs { question: "page faults, one by one", all: &[("fault", None)], estimate: None },
    Needs {
        question: "faults by class, and how long each took",
        all: &[("fault", None), ("fault", Some("class")), ("fault", Some("latency_ns"))],
        estimate: None,
    },
    Needs {
        question: "pages first touched on a remote node",
        all: &[("fault", None), ("fault", Some("nid")), ("fault", Some("class"))],
        estimate: Some(
            "nobody checks policy there: a page on another node than its toucher's CPU is taken as misplaced",
        ),
    },
    Needs {
        question: "NUMA hinting faults, their checks and verdicts",
        all: &[("hinting_check", None), ("fault", Some("class"))],
        estimate: None,
    },
    Needs {
        question: "each page that moved, from where to where, and why",
        all: &[("direct_migrate", None), ("batch", None)],
        estimate: None,
    },
    Needs {
        question: "the address of each page that moved",
        all: &[("direct_migrate", None), ("direct_migrate", Some("addr"))],
        estimate: None,
    },
    Needs {
        question: "what moving a page spends its time on",
        all: &[("direct_migrate", None), ("direct_migrate", Some("copy_ns")), ("direct_migrate", Some("remap_ns"))],
        estimate: None,
    },
    Needs { question: "runs of migrate_pages(), with pages that failed", all: &[("batch", None)], estimate: None },
    Needs { question: "placement system calls and what they took", all: &[("request", None)], estimate: None },
    Needs {
        question: "lazy marks, checks and moves in faults",
        all: &[("mark", None), ("check", None), ("lazy_migrate", None)],
        estimate: None,
    },
    Needs {
        question: "tasks that move to another node",
        all: &[("task", None), ("task", Some("to_node"))],
        estimate: None,
    },
    Needs {
        question: "mappings: kind, file, policy",
        all: &[("fault", None), ("fault", Some("region"))],
        estimate: None,
    },
];

/// The answers, given how the roles were filled.
pub(super) fn all(probes: &[ProbeInfo]) -> Vec<View> {
    QUESTIONS.iter().map(|needs| answer(needs, probes)).collect()
}

fn answer(needs: &Needs, probes: &[ProbeInfo]) -> View {
    let lacking = needs.all.iter().find_map(|&(probe, field)| lack(probes, probe, field));
    let fidelity = match (&lacking, needs.estimate) {
        (Some(_), _) => "unavailable",
        (None, Some(_)) => "estimated",
        (None, None) => "exact",
    };
    View { question: needs.question, fidelity, why: lacking.or_else(|| needs.estimate.map(str::to_owned)) }
}

/// Why a probe or a field of it is not there; `None` where it is. Some roles have alternatives for what a kernel may lack
/// (each system call, each class): one that is filled is enough.
fn lack(probes: &[ProbeInfo], probe: &str, field: Option<&str>) -> Option<String> {
    let of_role = |p: &&ProbeInfo| p.probe == probe && p.field.as_deref() == field;
    let mut roles = probes.iter().filter(of_role).peekable();
    let first = roles.peek().copied();
    match roles.any(|role| role.attached.is_some()) {
        true => None,
        // A field without a role of its own comes with the records.
        false if first.is_none() && field.is_some() => lack(probes, probe, None),
        false => Some(match first.and_then(|role| role.error.as_deref()) {
            Some(error) => format!("{}: {error}", field.map_or_else(|| probe.to_owned(), |f| format!("{probe}.{f}"))),
            None => format!("{probe}: not in the catalog"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(probe: &str, field: Option<&str>, error: Option<&str>) -> ProbeInfo {
        ProbeInfo {
            probe: probe.into(),
            field: field.map(str::to_owned),
            attached: error.is_none().then(|| "somewhere".into()),
            error: error.map(str::to_owned),
            fidelity: String::new(),
        }
    }

    #[test]
    fn a_question_is_answered_by_what_is_attached() {
        let probes = [
            probe("fault", None, None),
            probe("fault", Some("class"), Some("not shown")),
            probe("request", None, Some("no such call")),
            probe("request", None, None),
        ];
        let views = all(&probes);
        let of = |question: &str| views.iter().find(|view| view.question.contains(question)).expect("a view");
        assert_eq!(of("one by one").fidelity, "exact");
        assert_eq!(of("by class").fidelity, "unavailable");
        assert!(of("by class").why.as_ref().is_some_and(|why| why.contains("not shown")));
        assert_eq!(of("placement system calls").fidelity, "exact");
        assert_eq!(of("lazy marks").fidelity, "unavailable");
    }

    #[test]
    fn an_estimate_says_why() {
        let probes = [probe("fault", None, None), probe("fault", Some("class"), None)];
        let view = &all(&probes)[2];
        assert_eq!(view.fidelity, "estimated");
        assert!(view.why.is_some());
    }
}
