//! Which events and fields a recording has, and how far each can be trusted: one rule, which every view applies.
//!
//! A probe's events come from one hook or several, and so do some fields. Every hook of the list is needed: each sees events,
//! or values, that the others do not. If only some are attached, what they see is an estimate. Placement syscalls are the
//! exception. They have a hook for each syscall, and older kernels lack a syscall (set_mempolicy_home_node before 5.17): one
//! hook is enough.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::event::{FieldName, KindSet, Name, Probe, ProbeField, ProbeName, Word, kind_of};

/// One hook of a probe of this recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeInfo {
    pub probe: ProbeName,
    /// The field of the probe's events that this hook provides; `None`: the events themselves.
    #[serde(default)]
    pub field: Option<FieldName>,
    /// How it is attached: `tracepoint mof:mof_check`, `fentry handle_mm_fault`.
    pub attached: Option<String>,
    /// Why it is not attached. If it is attached: why the kernel rejected better attach methods.
    pub error: Option<String>,
    pub fidelity: Name<Fidelity>,
}

/// How far a number can be trusted, in a word.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Fidelity {
    Exact,
    Estimated,
    Unavailable,
}

impl Word for Fidelity {
    fn word(self) -> &'static str {
        self.into()
    }

    fn of_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// How far a number can be trusted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Counted from every event.
    Exact,
    /// Derived, or seen by some of several hooks.
    Estimated(Why),
    /// Not recorded.
    Unavailable(Why),
}

/// Why a number is not exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// `kernel.ftrace_enabled` was 0 for a time, and the kernel called no program on a function.
    Interrupted,
    /// Only some of the hooks are attached; why one of the others is not.
    SomeHooks(String),
    /// What it is derived from.
    Derived(String),
    /// No hook is attached; what the loader reported.
    Rejected(String),
    /// No hook is attached, and no reason was reported.
    NotAttached,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("kernel.ftrace_enabled was 0 for a time: events of that time are missing"),
            Self::SomeHooks(missing) => write!(f, "some hooks are not attached: {missing}"),
            Self::Derived(text) | Self::Rejected(text) => f.write_str(text),
            Self::NotAttached => f.write_str("no probe for it was attached"),
        }
    }
}

impl Coverage {
    /// Whether there is a number at all.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }

    /// Whether all its hooks were attached, if only for a part of the time.
    #[must_use]
    pub const fn has_all_hooks(&self) -> bool {
        !matches!(self, Self::Unavailable(_) | Self::Estimated(Why::SomeHooks(_)))
    }

    /// The word for it.
    #[must_use]
    pub const fn fidelity(&self) -> Fidelity {
        match self {
            Self::Exact => Fidelity::Exact,
            Self::Estimated(_) => Fidelity::Estimated,
            Self::Unavailable(_) => Fidelity::Unavailable,
        }
    }

    /// Why it is not exact.
    #[must_use]
    pub const fn why(&self) -> Option<&Why> {
        match self {
            Self::Exact => None,
            Self::Estimated(why) | Self::Unavailable(why) => Some(why),
        }
    }

    /// The sign before such a number: `~` for an estimate, else nothing.
    #[must_use]
    pub const fn sign(&self) -> &'static str {
        if matches!(self, Self::Estimated(_)) { "~" } else { "" }
    }
}

impl ProbeInfo {
    /// Coverage by this hook alone.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let trimmed = |text: &String| text.trim_end_matches(['\n', ' ', ';']).to_owned();
        let error = self.error.as_ref().map(trimmed);
        let Some(attached) = &self.attached else {
            return Coverage::Unavailable(error.map_or(Why::NotAttached, Why::Rejected));
        };
        match (self.fidelity.known(), error) {
            (Some(Fidelity::Exact), _) => Coverage::Exact,
            (Some(Fidelity::Unavailable), Some(error)) => Coverage::Unavailable(Why::Rejected(error)),
            (Some(Fidelity::Unavailable), None) => Coverage::Unavailable(Why::NotAttached),
            // The only reason for which a trace calls a hook with an error an estimate.
            (Some(Fidelity::Estimated), Some(_)) => Coverage::Estimated(Why::Interrupted),
            (Some(Fidelity::Estimated) | None, _) => Coverage::Estimated(Why::Derived(trimmed(attached))),
        }
    }

    /// `fault`, or `fault.class` for a hook that provides one field.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.field {
            Some(field) => format!("{}.{field}", self.probe),
            None => self.probe.to_string(),
        }
    }
}

/// Coverage of a probe's events, or of one field of them, by these hooks.
#[must_use]
pub fn coverage(hooks: &[ProbeInfo], probe: &ProbeName, field: Option<ProbeField>) -> Coverage {
    let is_of = |hook: &&ProbeInfo, field: Option<ProbeField>| match (&hook.field, field) {
        (None, None) => hook.probe == *probe,
        (Some(name), Some(field)) => hook.probe == *probe && *name == field,
        _ => false,
    };
    let of = |field| hooks.iter().filter(move |hook| is_of(hook, field)).map(ProbeInfo::coverage);
    let events = combine(of(None), *probe == Probe::Request).unwrap_or(Coverage::Unavailable(Why::NotAttached));
    let Some(field) = field else { return events };
    match combine(of(Some(field)), false) {
        // A field is worth nothing without events, and one without a hook of its own comes with them.
        _ if !events.is_available() => events,
        None | Some(Coverage::Exact) => events,
        Some(own) => own,
    }
}

/// Coverage by several hooks; `None` if there are none. `one_is_enough`: the others are for what this kernel lacks.
fn combine(hooks: impl Iterator<Item = Coverage>, one_is_enough: bool) -> Option<Coverage> {
    let (available, missing): (Vec<_>, Vec<_>) = hooks.partition(Coverage::is_available);
    let first_missing = missing.into_iter().next();
    let estimated = available.iter().find(|hook| **hook != Coverage::Exact).cloned();
    match (available.is_empty(), first_missing) {
        (true, missing) => missing,
        (false, Some(Coverage::Unavailable(why))) if !one_is_enough => {
            Some(Coverage::Estimated(Why::SomeHooks(why.to_string())))
        }
        (false, _) => Some(estimated.unwrap_or(Coverage::Exact)),
    }
}

/// Coverage of what any of several probes shows: the best of them.
#[must_use]
pub fn best(coverages: impl IntoIterator<Item = Coverage>) -> Coverage {
    let best = coverages.into_iter().min_by_key(Coverage::fidelity);
    best.unwrap_or(Coverage::Unavailable(Why::NotAttached))
}

/// Treats the hooks of probes of these kinds as not attached: a filter excludes all their events.
pub fn exclude(hooks: &mut [ProbeInfo], kinds: KindSet) {
    let is_excluded = |hook: &&mut ProbeInfo| hook.probe.known().is_some_and(|probe| kinds.contains(kind_of(probe)));
    for hook in hooks.iter_mut().filter(is_excluded) {
        hook.attached = None;
        hook.error = Some(FILTERED.to_owned());
    }
}

/// Why hooks whose events a filter excludes are not attached.
pub const FILTERED: &str = "excluded by the filter";

/// Notes that hooks on functions did not see all: the kernel did not call their programs for a time.
pub fn mark_interrupted(hooks: &mut [ProbeInfo]) {
    const ON_FUNCTIONS: [&str; 4] = ["fentry ", "fexit ", "kprobe ", "kretprobe "];
    let is_on_function = |by: &String| ON_FUNCTIONS.iter().any(|kind| by.contains(kind));
    for hook in hooks.iter_mut().filter(|hook| hook.attached.as_ref().is_some_and(is_on_function)) {
        hook.error = Some(Why::Interrupted.to_string());
        hook.fidelity = Fidelity::Estimated.into();
    }
}

#[cfg(test)]
mod tests;
