//! What a syscall returned.

use migtrace_common::errno;

/// `returned 0`, or the error by name: `failed with EIO (Input/output error)`.
#[must_use]
pub fn returned(ret: i64) -> String {
    match i32::try_from(ret) {
        Ok(negative) if (-4095..0).contains(&negative) => format!("failed with {}", errno::describe(-negative)),
        _ => format!("returned {ret}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named() {
        assert_eq!(returned(0), "returned 0");
        assert_eq!(returned(5), "returned 5");
        assert_eq!(returned(-5), "failed with EIO (Input/output error)");
        assert_eq!(returned(i64::MIN), format!("returned {}", i64::MIN));
    }
}
