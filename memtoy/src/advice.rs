//! Advice for madvise(2), by the names in scripts.

use std::fmt;

/// An advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    Huge,
    NoHuge,
    Collapse,
    Cold,
    PageOut,
    WillNeed,
    DontNeed,
    SoftOffline,
}

impl Advice {
    /// Returns whether private pages contain zeros afterwards.
    pub(crate) fn discards(self) -> bool {
        self == Self::DontNeed
    }
}

/// Names in scripts, and numbers in the kernel's ABI. An abbreviation of several names means the first.
const TABLE: [(&str, Advice, libc::c_int); 8] = [
    ("huge", Advice::Huge, libc::MADV_HUGEPAGE),
    ("nohuge", Advice::NoHuge, libc::MADV_NOHUGEPAGE),
    ("collapse", Advice::Collapse, libc::MADV_COLLAPSE),
    ("cold", Advice::Cold, libc::MADV_COLD),
    ("pageout", Advice::PageOut, libc::MADV_PAGEOUT),
    ("willneed", Advice::WillNeed, libc::MADV_WILLNEED),
    ("dontneed", Advice::DontNeed, libc::MADV_DONTNEED),
    ("soft_offline", Advice::SoftOffline, libc::MADV_SOFT_OFFLINE),
];

impl Advice {
    /// Its text in `help`.
    pub(crate) const USAGE: &str = "advise huge, nohuge, collapse, cold, pageout, willneed, dontneed or soft_offline";

    /// Parses a name, which may be abbreviated.
    ///
    /// # Errors
    /// A message about a wrong name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let found = TABLE.iter().find(|a| !text.is_empty() && a.0.starts_with(text));
        found.map(|a| a.1).ok_or_else(|| {
            let known = TABLE.iter().map(|a| a.0).collect::<Vec<_>>().join(", ");
            format!("unknown advice {text:?}: use {known}")
        })
    }

    fn entry(self) -> &'static (&'static str, Advice, libc::c_int) {
        TABLE.iter().find(|a| a.1 == self).expect("every advice is in the table")
    }

    /// Returns its number in the kernel's ABI.
    pub(crate) fn number(self) -> libc::c_int {
        self.entry().2
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().0)
    }
}
