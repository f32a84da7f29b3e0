//! Policies in scripts, `bind+move+lazy`, and nodes.

use std::fmt;

use migtrace_common::node_mask::NodeMask;

/// Node numbers must be below this: Linux supports at most 1 << 10 nodes.
const MAX_NODES: u32 = 1 << 10;

/// A memory policy's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Default,
    Preferred,
    Bind,
    Interleave,
    Local,
    PreferredMany,
    WeightedInterleave,
}

impl Policy {
    /// Returns its name, as in the kernel and numactl(8).
    pub(crate) fn name(self) -> &'static str {
        self.entry().0
    }

    /// Returns its number in the kernel's ABI.
    fn number(self) -> i32 {
        self.entry().2
    }

    fn entry(self) -> &'static (&'static str, Self, i32) {
        MODES.iter().find(|m| m.1 == self).expect("every policy is in the table")
    }
}

/// MPOL_* modes: names in scripts, and numbers in the kernel's ABI. An abbreviation of several names means the first.
/// If a mode has several names, the first is printed.
const MODES: [(&str, Policy, i32); 8] = [
    ("default", Policy::Default, 0),
    ("preferred", Policy::Preferred, 1),
    ("bind", Policy::Bind, 2),
    ("interleave", Policy::Interleave, 3),
    ("interleaved", Policy::Interleave, 3),
    ("local", Policy::Local, 4),
    ("preferred_many", Policy::PreferredMany, 5),
    ("weighted_interleave", Policy::WeightedInterleave, 6),
];

/// MPOL_MF_* flags. `lazy` is mainline's 1 << 3. The patches of the original memtoy used 1 << 4, which the kernel now
/// uses for something else.
const FLAGS: [(&str, u32); 4] = [("strict", 1 << 0), ("move", 1 << 1), ("all", 1 << 2), ("lazy", 1 << 3)];

/// MPOL_MF_MOVE | MPOL_MF_MOVE_ALL.
const MOVE: u32 = 1 << 1 | 1 << 2;
/// MPOL_MF_LAZY.
const LAZY: u32 = 1 << 3;

/// Returns the name of the mode with this number; `None` for an unknown number.
pub(crate) fn mode_name(number: i32) -> Option<&'static str> {
    MODES.iter().find(|m| m.2 == number).map(|m| m.0)
}

/// A mode with its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    pub policy: Policy,
    /// MPOL_MF_* bits.
    pub flags: u32,
}

impl Mode {
    /// Parses `bind+move+lazy`. Names may be abbreviated.
    ///
    /// # Errors
    /// A message about an unknown policy or flag.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('+');
        let name = parts.next().unwrap_or_default();
        let exact = MODES.iter().find(|m| m.0 == name);
        let mode = exact.or_else(|| MODES.iter().find(|m| !name.is_empty() && m.0.starts_with(name)));
        let Some((_, policy, _)) = mode else {
            let known = MODES.iter().filter(|m| m.0 == m.1.name()).map(|m| m.0).collect::<Vec<_>>().join(", ");
            return Err(format!("{name:?} is no policy: {known}"));
        };
        let mut flags = 0;
        for part in parts {
            let flag = FLAGS.iter().find(|f| !part.is_empty() && f.0.starts_with(part));
            flags |= flag.ok_or_else(|| format!("unknown flag {part:?}: use +move, +all, +lazy, +strict"))?.1;
        }
        Ok(Self { policy: *policy, flags })
    }

    /// Returns the mode's number in the kernel's ABI.
    pub(crate) fn number(self) -> i32 {
        self.policy.number()
    }

    /// Returns whether pages migrate, now or later.
    pub(crate) fn moves(self) -> bool {
        self.flags & MOVE != 0
    }

    pub(crate) fn is_lazy(self) -> bool {
        self.flags & LAZY != 0
    }

    /// Returns whether this mode is invalid without nodes.
    fn needs_nodes(self) -> bool {
        !matches!(self.policy, Policy::Default | Policy::Local | Policy::Preferred)
    }

    /// Checks whether this mode can have these nodes, or none.
    ///
    /// # Errors
    /// A message about missing nodes, or about nodes that are not allowed.
    pub(crate) fn check_nodes(self, nodes: Option<&Nodes>) -> Result<(), String> {
        let name = self.policy.name();
        match (nodes, self.policy) {
            (None, _) if self.needs_nodes() => Err(format!("{name} needs nodes: a list like 0,2-3, or * for all")),
            (Some(_), Policy::Default | Policy::Local) => Err(format!("{name} takes no nodes")),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy.name())?;
        // In the usual order of writing: strict last.
        for (name, flag) in [FLAGS[1], FLAGS[2], FLAGS[3], FLAGS[0]] {
            if self.flags & flag != 0 {
                write!(f, "+{name}")?;
            }
        }
        Ok(())
    }
}

/// Nodes that a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// `*`: all that the task may use.
    All,
    These(NodeMask),
}

impl Nodes {
    /// Parses `0,2-3` or `*`.
    ///
    /// # Errors
    /// A message about invalid nodes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let valid = |part: &str| part.parse::<u32>().is_ok_and(|node| node < MAX_NODES);
        let mask = text.split([',', '-']).all(valid).then(|| text.parse::<NodeMask>().ok()).flatten();
        match mask.filter(|m| !m.nodes().is_empty()) {
            Some(mask) => Ok(Self::These(mask)),
            None => Err(format!("invalid nodes {text:?}: use numbers below {MAX_NODES} like 0,2-3, or * for all")),
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::These(mask) => mask.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_can_be_abbreviated_and_have_flags() {
        let cases = [
            ("d", "default", 0),
            ("pref", "preferred", 1),
            ("preferred_m+m", "preferred_many+move", 5),
            ("interleaved+move+all", "interleave+move+all", 3),
            ("bind+lazy+move+strict", "bind+move+lazy+strict", 2),
            ("local", "local", 4),
            ("w", "weighted_interleave", 6),
        ];
        for (text, normalized, number) in cases {
            let mode = Mode::parse(text).expect(text);
            assert_eq!((mode.to_string().as_str(), mode.number()), (normalized, number));
        }
        assert_eq!(Mode::parse("bind+move+lazy").expect("a mode").flags, 0b1010);
    }

    #[test]
    fn an_unknown_policy_is_an_error_and_not_preferred() {
        for bad in ["", "noop", "bindd", "bind+", "bind+mov+x", "+move"] {
            assert!(Mode::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nodes_are_lists_or_all() {
        assert_eq!(Nodes::parse("0,2-3").expect("nodes").to_string(), "0,2-3");
        assert_eq!(Nodes::parse("*"), Ok(Nodes::All));
        for bad in ["", "x", "1024", "0-4000000000", "3-1", "-1", "1,,2"] {
            assert!(Nodes::parse(bad).is_err(), "{bad}");
        }
        let bind = Mode::parse("bind").expect("a mode");
        assert!(bind.check_nodes(None).is_err() && bind.check_nodes(Some(&Nodes::All)).is_ok());
        assert!(Mode::parse("local").expect("a mode").check_nodes(Some(&Nodes::All)).is_err());
        assert!(Mode::parse("preferred").expect("a mode").check_nodes(None).is_ok());
    }
}
