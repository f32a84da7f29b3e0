//! The patch series: reads it, and brings a source tree to exactly its state.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use xtask_common::{command, files::create_dir, progress::say};

/// One patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
}

/// Reads the patches that the file `series` in `directory` lists, in its order.
pub(super) fn read(directory: &Path) -> Result<Vec<Patch>> {
    let list = directory.join("series");
    let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let names = names(&text);
    let read = |name: &str| {
        let file = directory.join(name);
        let text = fs::read(&file).with_context(|| format!("series lists {name}: cannot read {}", file.display()))?;
        Ok(Patch { name: name.to_owned(), text })
    };
    names.into_iter().map(read).collect()
}

/// Returns the file names in a series file: one per line, without quilt's comments and options.
fn names(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next()).collect()
}

/// The steps that turn the applied patches into the wanted ones.
#[derive(Debug, PartialEq, Eq)]
struct Change<'a> {
    /// The last applied patch is first.
    revert: Vec<&'a Patch>,
    apply: &'a [Patch],
}

fn change<'a>(applied: &'a [Patch], wanted: &'a [Patch]) -> Change<'a> {
    let common = applied.iter().zip(wanted).take_while(|(a, b)| a.text == b.text).count();
    Change { revert: applied[common..].iter().rev().collect(), apply: &wanted[common..] }
}

/// A source tree, and a record of the patches applied to it.
pub(super) struct Tree<'a> {
    /// The kernel's source.
    pub(super) source: &'a Path,
    /// Copies of the applied patches, in order.
    pub(super) applied: &'a Path,
}

impl Tree<'_> {
    /// Reverts and applies patches until the tree has the wanted ones. If that fails, the state of the tree is unknown.
    pub(super) fn bring_to(&self, wanted: &[Patch]) -> Result<()> {
        let applied = self.read_applied()?;
        let Change { revert, apply } = change(&applied, wanted);
        if revert.is_empty() && apply.is_empty() {
            return Ok(());
        }
        for patch in revert {
            self.patch(patch, &["--reverse"])?;
        }
        for patch in apply {
            self.patch(patch, &["--forward"])?;
        }
        say(format!("{} patches applied to {}", wanted.len(), self.source.display()));
        self.write_applied(wanted)
    }

    fn patch(&self, patch: &Patch, direction: &[&str]) -> Result<()> {
        let file = tempfile::NamedTempFile::new().context("cannot create a temporary file")?;
        fs::write(file.path(), &patch.text).context("cannot write a temporary file")?;
        let mut command = Command::new("patch");
        command.args(["--strip=1", "--batch", "--no-backup-if-mismatch"]).args(direction);
        command.arg("--directory").arg(self.source);
        let input = File::open(file.path()).context("cannot read a temporary file")?;
        let output = command.stdin(Stdio::from(input)).output();
        let output = output.with_context(|| format!("cannot start `{}`", command::shown(&command)))?;
        let messages = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("the patch {} does not apply ({}):\n{}", patch.name, direction.join(" "), messages.trim_end());
        }
        if messages.contains("with fuzz") {
            say(format!("{} applied with fuzz: it was made for another version of this source", patch.name));
        }
        Ok(())
    }

    fn read_applied(&self) -> Result<Vec<Patch>> {
        if self.applied.join("series").exists() { read(self.applied) } else { Ok(Vec::new()) }
    }

    fn write_applied(&self, patches: &[Patch]) -> Result<()> {
        let replace = || {
            let _ = fs::remove_dir_all(self.applied);
            create_dir(self.applied)?;
            for patch in patches {
                fs::write(self.applied.join(&patch.name), &patch.text)?;
            }
            let list: String = patches.iter().map(|patch| format!("{}\n", patch.name)).collect();
            fs::write(self.applied.join("series"), list).map_err(anyhow::Error::from)
        };
        replace().with_context(|| format!("cannot record the applied patches in {}", self.applied.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(name: &str, from: &str, to: &str) -> Patch {
        let text = format!("About {name}\n---\n--- a/file\n+++ b/file\n@@ -1 +1 @@\n-{from}\n+{to}\n");
        Patch { name: name.into(), text: text.into_bytes() }
    }

    #[test]
    fn a_series_is_read_as_quilt_reads_it() {
        let text = "# the series\n\n0001-a.patch\n0002-b.patch -p1  # strip\n   \n0003-c.patch\n";
        assert_eq!(names(text), ["0001-a.patch", "0002-b.patch", "0003-c.patch"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn a_missing_patch_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("series"), "0001-gone.patch\n").expect("written");
        let error = read(directory.path()).expect_err("the patch is missing");
        assert!(format!("{error:#}").contains("series lists 0001-gone.patch"), "{error:#}");
    }

    #[test]
    fn only_different_patches_are_reverted_and_applied() {
        let (a, b, c) = (patch("a", "1", "2"), patch("b", "2", "3"), patch("c", "2", "4"));
        let (applied, wanted) = ([a.clone(), b.clone()], [a.clone(), c.clone()]);
        assert_eq!(change(&applied, &wanted), Change { revert: vec![&b], apply: &wanted[1..] });
        assert_eq!(change(&applied, &applied), Change { revert: vec![], apply: &[] });
        // Another name for the same text is no change.
        let renamed = [Patch { name: "z".into(), ..a }, b];
        assert_eq!(change(&applied, &renamed), Change { revert: vec![], apply: &[] });
    }

    #[test]
    fn a_tree_changes_from_one_series_to_another() {
        let directory = tempfile::tempdir().expect("a directory");
        let (source, applied) = (directory.path().join("src"), directory.path().join("applied"));
        create_dir(&source).expect("created");
        fs::write(source.join("file"), "1\n").expect("written");
        let tree = Tree { source: &source, applied: &applied };
        let content = || fs::read_to_string(source.join("file")).expect("readable");
        let (a, b, c) = (patch("a", "1", "2"), patch("b", "2", "3"), patch("c", "2", "4"));

        tree.bring_to(&[a.clone(), b]).expect("applies");
        assert_eq!(content(), "3\n");
        tree.bring_to(&[a.clone(), c.clone()]).expect("reverts one and applies one");
        assert_eq!(content(), "4\n");
        tree.bring_to(&[]).expect("reverts all");
        assert_eq!(content(), "1\n");
        let error = tree.bring_to(&[c]).expect_err("does not apply");
        assert!(format!("{error:#}").contains("the patch c does not apply"), "{error:#}");
    }
}
