//! Catches panics of the Parquet library, which trusts files more than it should.
//!
//! Checksums find damage before the library sees it. What is left are crafted files: parquet 60.1 panics on a negative
//! column offset, on a missing dictionary page, and in other places.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// Whether this thread runs the library inside [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` and returns its error, or its panic, as text. What `f` works on must not be used after an error.
///
/// The panic hook from before the first call is not called for a panic in `f`, so that nothing is printed on stderr.
pub(crate) fn guarded<T, E: ToString>(f: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                loud(info);
            }
        }));
    });
    GUARDED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    GUARDED.set(false);
    match result {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(panic) => Err(format!("the Parquet library failed: {}", text(&*panic))),
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let panics = |n: usize| guarded(|| Ok::<_, String>([1, 2][n]));
        assert_eq!(panics(1), Ok(2));
        let error = panics(7).expect_err("out of bounds");
        assert_eq!(error, "the Parquet library failed: index out of bounds: the len is 2 but the index is 7");
        assert_eq!(guarded(|| Err::<(), _>("plain")), Err("plain".to_owned()));
    }
}
