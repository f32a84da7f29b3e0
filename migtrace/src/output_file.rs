//! Files that migtrace makes: readable by their owner only, who is the user that called sudo.
//!
//! A recording that needs root is read without root. So a file that root makes for another user belongs to that user.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use nix::unistd::{Uid, User};

/// The user who called sudo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SudoUser {
    uid: u32,
    gid: u32,
}

impl SudoUser {
    /// From `SUDO_UID` and `SUDO_GID`. `None`: this process does not run as root, or root called sudo.
    fn of_environment() -> Option<Self> {
        let number = |name| env::var(name).ok();
        if !Uid::effective().is_root() {
            return None;
        }
        Self::from_texts(&number("SUDO_UID")?, &number("SUDO_GID")?)
    }

    fn from_texts(uid: &str, gid: &str) -> Option<Self> {
        let user = Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? };
        (user.uid != 0).then_some(user)
    }
}

fn name_of(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => format!("UID {uid}"),
    }
}

/// The owner of a file, if it is not the user of this process.
#[must_use]
pub fn other_owner(path: &Path) -> Option<String> {
    let uid = fs::metadata(path).ok()?.uid();
    (uid != Uid::effective().as_raw()).then(|| name_of(uid))
}

/// Creates a new file. Does not follow a symbolic link.
///
/// # Errors
/// The name is taken, or another error of open(2).
pub fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(path).inspect(give_to_sudo_user)
}

/// Creates a file, or empties the one of that name, which keeps its owner and mode.
///
/// # Errors
/// Of open(2).
pub fn create(path: &Path) -> io::Result<File> {
    match create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).truncate(true).open(path)
        }
        created => created,
    }
}

/// Gives a file or directory that this process made to the user who called sudo.
pub fn give_to_sudo_user(file: &File) {
    if let Some(user) = SudoUser::of_environment()
        && let Err(error) = fchown(file, Some(user.uid), Some(user.gid))
    {
        // Some file systems have no owners, and NFS can map root to another user. The file is as good as without sudo.
        log::info!("a new file does not belong to {}: {error}", name_of(user.uid));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn only_another_user_than_root_gets_files() {
        assert_eq!(SudoUser::from_texts("1000", "100"), Some(SudoUser { uid: 1000, gid: 100 }));
        assert_eq!(SudoUser::from_texts("0", "0"), None);
        assert_eq!(SudoUser::from_texts("", "100"), None);
        assert_eq!(SudoUser::from_texts("-1", "100"), None);
    }

    #[test]
    fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("new");
        create(&path).expect("created");
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        fs::write(&path, "old").expect("written");
        create(&path).expect("emptied");
        assert_eq!((mode(), fs::read(&path).expect("there").len()), (0o644, 0));
    }

    #[test]
    fn a_new_file_does_not_follow_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        symlink(dir.path().join("target"), dir.path().join("link")).expect("a link");
        let error = create_new(&dir.path().join("link")).expect_err("a link");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(!dir.path().join("target").exists());
    }
}
