//! Names of Linux errors.

extern crate std;

use alloc::{
    format,
    string::{String, ToString},
};

use nix::errno::Errno;

/// `EINVAL (Invalid argument)`; a number without a name prints as `errno 4000`.
#[must_use]
pub fn describe(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match name(errno) {
        Some(name) => format!("{name} ({text})"),
        None => format!("errno {errno} ({text})"),
    }
}

/// `EINVAL`; `None` for a number that Linux gives no name.
#[must_use]
pub fn name(errno: i32) -> Option<String> {
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
        assert_eq!(describe(Errno::EINVAL as i32), "EINVAL (Invalid argument)");
        assert_eq!(name(Errno::EOPNOTSUPP as i32).as_deref(), Some("EOPNOTSUPP"));
        assert_eq!(name(Errno::EAGAIN as i32).as_deref(), Some("EAGAIN"));
        assert_eq!(name(0), None);
        assert_eq!(name(4000), None);
    }
}
