//! Selects the host's directories that the guest mounts in addition to the read-only root.

use std::path::Path;

use xtask_guest::job::{SCRATCH, Share};

/// Returns the shares for a job: the target directory, writable, and directories that scratch space would hide.
pub(super) fn shares(checkout: &Path, target: &Path, cwd: &Path) -> Vec<Share> {
    let mut shares = Vec::new();
    let mut add = |path: &Path, writable| {
        shares.push(Share { tag: format!("share{}", shares.len()), path: path.into(), writable });
    };
    let mut visible: Vec<&Path> = vec![target];
    for path in [checkout, cwd] {
        if hidden(path) && !visible.iter().any(|above| path.starts_with(above)) {
            visible.push(path);
            add(path, false);
        }
    }
    add(target, true);
    shares
}

/// Returns whether the guest's scratch space hides the path.
fn hidden(path: &Path) -> bool {
    SCRATCH.iter().any(|scratch| path.starts_with(scratch) && path != Path::new(scratch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(checkout: &str, target: &str, cwd: &str) -> Vec<(String, bool)> {
        let shares = shares(Path::new(checkout), Path::new(target), Path::new(cwd));
        shares.into_iter().map(|share| (share.path.into_string().expect("UTF-8"), share.writable)).collect()
    }

    #[test]
    fn only_target_is_shared_beside_the_root() {
        assert_eq!(listed("/home/u/m", "/home/u/m/target", "/home/u"), [("/home/u/m/target".to_owned(), true)]);
    }

    #[test]
    fn a_checkout_under_tmp_stays_visible() {
        assert_eq!(
            listed("/tmp/m", "/tmp/m/target", "/tmp/m/docs"),
            [("/tmp/m".to_owned(), false), ("/tmp/m/target".to_owned(), true)]
        );
        assert_eq!(
            listed("/srv/m", "/srv/m/target", "/tmp/scripts"),
            [("/tmp/scripts".to_owned(), false), ("/srv/m/target".to_owned(), true)]
        );
        assert_eq!(listed("/srv/m", "/srv/m/target", "/tmp"), [("/srv/m/target".to_owned(), true)]);
    }
}
