//! Sets of nodes, as the kernel writes them.

use alloc::vec::Vec;
use core::{fmt, num::ParseIntError, str::FromStr};

/// A set of nodes, printed as the kernel prints it: `0-2,5`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodeMask(Vec<u32>);

impl NodeMask {
    /// The nodes whose bits are set, bit 0 of word 0 being node 0; bits from `bits` on are left out.
    #[must_use]
    pub fn from_words(words: &[u64], bits: u64) -> Self {
        let set = |n: &u32| words[*n as usize / 64] >> (n % 64) & 1 == 1;
        let end = (words.len() as u64 * 64).min(bits) as u32;
        Self((0..end).filter(set).collect())
    }

    /// The nodes, ascending.
    #[must_use]
    pub fn nodes(&self) -> &[u32] {
        &self.0
    }
}

impl fmt::Display for NodeMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut separator = "";
        while let Some(&first) = rest.first() {
            let run = rest.iter().zip(first..).take_while(|(a, b)| *a == b).count();
            match run {
                1 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{}", rest[run - 1])?,
            }
            rest = &rest[run..];
            separator = ",";
        }
        Ok(())
    }
}

impl FromStr for NodeMask {
    type Err = ParseIntError;

    /// Of the kernel's list form, `0-2,5`; an empty text is the empty set.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut nodes = Vec::new();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            nodes.extend(first.trim().parse::<u32>()?..=last.trim().parse::<u32>()?);
        }
        nodes.sort_unstable();
        nodes.dedup();
        Ok(Self(nodes))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn node_masks_print_as_the_kernel_prints_them() {
        let mask = NodeMask::from_words(&[0b10_0111, 1], 128);
        assert_eq!(mask.to_string(), "0-2,5,64");
        assert_eq!("0-2,5,64".parse::<NodeMask>().expect("a list"), mask);
        assert_eq!(NodeMask::from_words(&[u64::MAX], 3).to_string(), "0-2");
        assert_eq!(NodeMask::default().to_string(), "");
        assert!("0-x".parse::<NodeMask>().is_err());
    }
}
