//! Why hooks are not attached, by cause: one cause often affects most of them.

use crate::live::host::requirements::PROGRAM_TYPES;

/// Types of programs that a hook begins with, which are not the name of a type to avoid.
const ENDS: [&str; 2] = ["fexit", "kretprobe"];

/// Splits `fentry do_swap_page: the kernel rejected it` into the type, the hook's name and the cause. `None` if it names
/// no hook.
fn refusal(error: &str) -> Option<(&str, &str, &str)> {
    let (program_type, rest) = error.split_once(' ')?;
    let is_type = PROGRAM_TYPES.contains(&program_type) || ENDS.contains(&program_type);
    let (hook, cause) = rest.split_once(": ").filter(|_| is_type)?;
    Some((program_type, hook, cause))
}

/// The causes with what they affect, in order of their first appearance. `errors`: what is affected, and its refusals,
/// joined by `; `.
pub(super) fn by_cause<'a>(errors: impl Iterator<Item = (String, &'a str)>) -> Vec<(String, Vec<String>)> {
    let mut causes: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |cause: String, affected: String| match causes.iter_mut().find(|(its, _)| *its == cause) {
        Some((_, all)) if all.contains(&affected) => {}
        Some((_, all)) => all.push(affected),
        None => causes.push((cause, vec![affected])),
    };
    for (name, error) in errors {
        for part in parts(error) {
            match refusal(part) {
                Some((program_type, hook, cause)) => add(format!("{program_type}: {cause}"), hook.to_owned()),
                None => add(part.to_owned(), name.clone()),
            }
        }
    }
    causes
}

/// The refusals in an error. A cause can contain `; ` itself: the verifier's message follows the kernel's error.
fn parts(error: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, separator) in error.match_indices("; ") {
        let next = at + separator.len();
        if refusal(&error[next..]).is_some() {
            parts.push(&error[start..at]);
            start = next;
        }
    }
    parts.push(&error[start..]);
    parts
}

/// The reason of an answer, `PROBE: REASON`, without the refusals of single hooks, which are listed by cause.
pub(super) fn without_hooks(why: &str) -> String {
    match why.split_once(": ") {
        Some((of, reason)) if refusal(reason).is_some() => format!("{of} is not attached"),
        _ => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_listed_once_with_what_it_affects() {
        let errors = [
            ("fault", "fentry f: the kernel rejected it: no; invalid func; kprobe f: this kernel has no kprobes"),
            ("check", "tracepoint mof:mof_check: tracefs is not mounted"),
            ("mark", "tracepoint mof:mof_unmap: tracefs is not mounted"),
            ("fault.class", "seen before the kernel handles them"),
            ("fault.nid", "seen before the kernel handles them"),
            ("phase", "kprobe f: this kernel has no kprobes"),
        ];
        let causes = by_cause(errors.into_iter().map(|(name, error)| (name.to_owned(), error)));
        let lines: Vec<_> = causes.iter().map(|(cause, all)| format!("{cause} <- {}", all.join(", "))).collect();
        assert_eq!(
            lines,
            [
                "fentry: the kernel rejected it: no; invalid func <- f",
                "kprobe: this kernel has no kprobes <- f",
                "tracepoint: tracefs is not mounted <- mof:mof_check, mof:mof_unmap",
                "seen before the kernel handles them <- fault.class, fault.nid",
            ]
        );
    }

    #[test]
    fn an_answer_names_the_probe_and_not_its_hooks() {
        assert_eq!(without_hooks("mark: tracepoint mof:mof_unmap: no"), "mark is not attached");
        assert_eq!(without_hooks("fault.class: seen before"), "fault.class: seen before");
        assert_eq!(without_hooks("counted from faults"), "counted from faults");
    }
}
