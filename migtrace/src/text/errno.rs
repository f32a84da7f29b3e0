//! What a syscall returned.

/// `returned 0`, or the error: `failed with -5 (Input/output error)`.
#[must_use]
pub fn returned(ret: i64) -> String {
    match i32::try_from(ret) {
        Ok(errno) if (-4095..0).contains(&errno) => {
            let error = std::io::Error::from_raw_os_error(-errno).to_string();
            let name = error.split(" (os error").next().unwrap_or_default();
            format!("failed with {errno} ({name})")
        }
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
        assert_eq!(returned(-5), "failed with -5 (Input/output error)");
        assert_eq!(returned(i64::MIN), format!("returned {}", i64::MIN));
    }
}
