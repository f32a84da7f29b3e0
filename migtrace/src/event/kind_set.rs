//! Sets of kinds of events.

use strum::VariantArray;

use super::body::Kind;

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSet(u16);

impl KindSet {
    /// All kinds.
    #[must_use]
    pub fn all() -> Self {
        Kind::VARIANTS.iter().copied().collect()
    }

    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 >> kind as u16 & 1 == 1
    }

    /// All kinds that are not in it.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(Self::all().0 & !self.0)
    }

    /// The kinds in it, in the order of [`Kind`].
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::VARIANTS.iter().copied().filter(move |k| self.contains(*k))
    }
}

impl FromIterator<Kind> for KindSet {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complement_of_a_set_has_all_other_kinds() {
        let set: KindSet = [Kind::Fault, Kind::Loss].into_iter().collect();
        assert!(set.contains(Kind::Loss) && !set.complement().contains(Kind::Loss));
        assert_eq!(set.complement().complement(), set);
        assert_eq!(KindSet::all().iter().count(), Kind::VARIANTS.len());
    }
}
