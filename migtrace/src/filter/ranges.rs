//! Sets of numbers as ranges.

use std::{ops::RangeInclusive, str::FromStr};

/// A set of numbers: sorted ranges with gaps between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(Vec<RangeInclusive<i128>>);

impl Ranges {
    /// From ranges in any order; skips empty ones.
    #[must_use]
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<i128>>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().filter(|r| !r.is_empty()).collect();
        sorted.sort_unstable_by_key(|r| *r.start());
        let mut joined: Vec<RangeInclusive<i128>> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match joined.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => joined.push(range),
            }
        }
        Self(joined)
    }

    /// From single numbers.
    #[must_use]
    pub fn points(points: impl IntoIterator<Item = i128>) -> Self {
        Self::new(points.into_iter().map(|p| p..=p))
    }

    #[must_use]
    pub fn as_slice(&self) -> &[RangeInclusive<i128>] {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn contains(&self, number: i128) -> bool {
        self.0.iter().any(|r| r.contains(&number))
    }

    /// The union.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).cloned())
    }

    /// The intersection.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both =
            |a: &RangeInclusive<i128>, b: &RangeInclusive<i128>| *a.start().max(b.start())..=*a.end().min(b.end());
        Self::new(self.0.iter().flat_map(|a| other.0.iter().map(move |b| both(a, b))))
    }

    /// The numbers of `domain` that are not in it.
    #[must_use]
    pub fn complement(&self, domain: &RangeInclusive<i128>) -> Self {
        let mut rest = Vec::new();
        let mut from = *domain.start();
        for range in self.and(&Self::new([domain.clone()])).0 {
            rest.push(from..=*range.start() - 1);
            from = *range.end() + 1;
        }
        rest.push(from..=*domain.end());
        Self::new(rest)
    }

    /// The least and the greatest number in it.
    #[must_use]
    pub fn hull(&self) -> Option<RangeInclusive<i128>> {
        Some(*self.0.first()?.start()..=*self.0.last()?.end())
    }

    /// All numbers in it; `None` if there are more than `most`.
    #[must_use]
    pub fn list(&self, most: usize) -> Option<Vec<i128>> {
        let size = self.0.iter().try_fold(0i128, |sum, r| (r.end() - r.start() + 1).checked_add(sum))?;
        (size <= i128::try_from(most).ok()?).then(|| self.0.iter().cloned().flatten().collect())
    }
}

/// A list such as `0-3,8`.
impl FromStr for Ranges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |n: &str| {
            let n = n.trim();
            n.parse::<u32>().map(i128::from).map_err(|_| format!("{n:?} is not a number: write a list such as 0-3,8"))
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = number(first)?..=number(last)?;
            if range.is_empty() { Err(format!("the range {part} ends before it starts")) } else { Ok(range) }
        };
        Ok(Self::new(text.split(',').map(range).collect::<Result<Vec<_>, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_joined_cut_and_turned() {
        let a = Ranges::new([5..=9, 0..=2, 3..=3]);
        assert_eq!(a.as_slice(), [0..=3, 5..=9]);
        assert!(a.contains(3) && !a.contains(4));
        assert_eq!(a.complement(&(0..=10)).as_slice(), [4..=4, 10..=10]);
        assert_eq!(a.complement(&(0..=10)).complement(&(0..=10)), a);
        assert_eq!(a.and(&Ranges::new([2..=6])).as_slice(), [2..=3, 5..=6]);
        assert_eq!(a.or(&Ranges::points([4])).as_slice(), [0..=9]);
        assert_eq!(a.hull(), Some(0..=9));
        assert_eq!(Ranges::points([1, 7]).list(2), Some(vec![1, 7]));
        assert_eq!(a.list(8), None);
        assert!(Ranges::new([]).is_empty() && Ranges::new([]).hull().is_none());
    }

    #[test]
    fn lists_are_sets() {
        assert_eq!("0-3,8".parse(), Ok(Ranges::new([0..=3, 8..=8])));
        assert_eq!("0-4294967295".parse(), Ok(Ranges::new([0..=u32::MAX.into()])));
        for text in ["", "3-1", "a", "1,", "-1"] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
    }
}
