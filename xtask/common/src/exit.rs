//! Exit statuses, and the errors that choose one.

use std::fmt;

/// Success.
pub const FINE: u8 = 0;
/// A finding: a test failed, or code does not compile.
pub const FINDING: u8 = 1;
/// Wrong use. clap exits with the same status.
pub const USAGE: u8 = 2;
/// A missing requirement or a broken environment: EX_UNAVAILABLE of sysexits.h.
pub const ENVIRONMENT: u8 = 69;

/// An error with an exit status. Its text contains what is wrong and what to do.
#[derive(Debug)]
pub enum Failure {
    Finding(String),
    Usage(String),
    Environment(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Finding(text) | Failure::Usage(text) | Failure::Environment(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

/// Returns the status for an error: that of the outermost [`Failure`] in its chain, else [`FINDING`].
pub fn status(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Failure>().or_else(|| error.chain().find_map(|cause| cause.downcast_ref())) {
        Some(Failure::Usage(_)) => USAGE,
        Some(Failure::Environment(_)) => ENVIRONMENT,
        Some(Failure::Finding(_)) | None => FINDING,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn status_is_found_below_and_above_other_context() {
        let lacking = || anyhow::Error::new(Failure::Environment("no qemu".into()));
        assert_eq!(status(&lacking()), ENVIRONMENT);
        assert_eq!(status(&lacking().context("while booting")), ENVIRONMENT);
        let wrapped = Err::<(), _>(anyhow!("disk full")).context(Failure::Usage("bad size".into()));
        assert_eq!(wrapped.map_err(|error| status(&error)), Err(USAGE));
        assert_eq!(status(&anyhow!("anything else")), FINDING);
    }
}
