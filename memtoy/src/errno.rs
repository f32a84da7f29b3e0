//! Failed system calls, and the names of their errors.

use std::io;

use nix::errno::Errno;

/// A failed system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallError {
    pub(crate) call: &'static str,
    pub(crate) errno: i32,
}

impl CallError {
    /// The error that `call`, the thread's latest system call, left in errno.
    pub(crate) fn last(call: &'static str) -> Self {
        Self::of(call, &io::Error::last_os_error())
    }

    /// A standard library error of `call`.
    pub(crate) fn of(call: &'static str, error: &io::Error) -> Self {
        Self { call, errno: error.raw_os_error().unwrap_or(0) }
    }
}

/// `EINVAL (Invalid argument)`; a number without a name prints as `errno 4000`.
pub(crate) fn describe(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match name(errno) {
        Some(name) => format!("{name} ({text})"),
        None => format!("errno {errno} ({text})"),
    }
}

/// `EINVAL`; `None` for a number that Linux gives no name.
pub(crate) fn name(errno: i32) -> Option<String> {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => None,
        known => Some(format!("{known:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_names_of_the_manual_pages() {
        assert_eq!(describe(libc::EINVAL), "EINVAL (Invalid argument)");
        assert_eq!(name(libc::EOPNOTSUPP).as_deref(), Some("EOPNOTSUPP"));
        assert_eq!(name(libc::EAGAIN).as_deref(), Some("EAGAIN"));
        assert_eq!(name(0), None);
        assert_eq!(name(4000), None);
    }
}
