//! Hashes of the values in a dictionary.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

/// Different in every process, so that no user can choose task names that all have the same hash.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

pub(crate) fn hash_of_number(number: u64) -> u64 {
    ((number ^ *SEED).wrapping_mul(MULTIPLIER)).rotate_left(32)
}

pub(crate) fn hash_of_text(text: &str) -> u64 {
    let mut hash = *SEED;
    let (chunks, rest) = text.as_bytes().as_chunks::<8>();
    let mut take = |chunk: u64| hash = (hash.rotate_left(23) ^ chunk).wrapping_mul(MULTIPLIER);
    chunks.iter().for_each(|chunk| take(u64::from_le_bytes(*chunk)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    take(u64::from_le_bytes(last));
    take(text.len() as u64);
    hash.rotate_left(32)
}
