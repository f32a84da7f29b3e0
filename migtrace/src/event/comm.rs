//! Names of tasks.

use std::fmt;

use crate::text::escape_control;

/// The lowest bit of each byte.
const LOWEST_BITS: u128 = u128::MAX / 0xff;

/// A task's name: at most 15 bytes, as the kernel keeps it. Printing escapes control characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Comm([u8; 16]);

impl Comm {
    /// From the kernel's zero-padded bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        // On kernels before 5.17, bytes after the first zero are left over from a longer name.
        let word = u128::from_le_bytes(bytes);
        let zeroes = word.wrapping_sub(LOWEST_BITS) & !word & (LOWEST_BITS << 7);
        let rest = zeroes.trailing_zeros() / 8 * 8;
        if rest >= u128::BITS { Self(bytes) } else { Self((word & ((1 << rest) - 1)).to_le_bytes()) }
    }

    /// The bytes before the first zero.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // All bytes after the name are zero.
        let unused = u128::from_le_bytes(self.0).leading_zeros() / 8;
        &self.0[..self.0.len() - unused as usize]
    }
}

impl From<&str> for Comm {
    /// Cuts after 16 bytes.
    fn from(name: &str) -> Self {
        let mut bytes = [0; 16];
        let len = name.len().min(bytes.len());
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape_control(&String::from_utf8_lossy(self.as_bytes())))
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_a_task_name_are_escaped() {
        assert_eq!(Comm::from("a\u{1b}[2Jb").to_string(), "a\\u{1b}[2Jb");
        assert_eq!(Comm::from("a-name-of-more-than-16").as_bytes().len(), 16);
    }
}
