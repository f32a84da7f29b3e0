//! Whether something succeeded, and why not.

use std::sync::Arc;

use super::words::words;

/// Why a page was not marked, checked or migrated. The kernel's own name in lower case, or `reason#17` if neither this
/// kernel nor this version of migtrace names the number.
pub type Reason = Arc<str>;

words! {
    /// Whether a mark or a migration succeeded.
    Outcome { Ok, Failed }
}
