//! Memory policies.

use super::words::words;

words! {
    /// A memory policy's mode.
    Policy { Default, Preferred, Bind, Interleave, Local, PreferredMany, WeightedInterleave }
}
