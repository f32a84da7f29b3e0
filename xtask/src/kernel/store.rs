//! The store of built kernels. It is outside the checkout, so that a fresh clone finds the kernels of an older one.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use xtask_common::{command, files::create_dir, progress::say};

use super::{config::Fragment, series::Patch};

/// Version of the store. Change it if the same recipe no longer gives the same result.
const FORMAT: &str = "1";

/// Files of a build that are kept: path in the objects directory, name in the store.
const KEPT: [(&str, &str); 4] = [
    ("arch/x86/boot/bzImage", "bzImage"),
    ("System.map", "System.map"),
    (".config", "config"),
    ("include/config/kernel.release", "release"),
];

/// Everything that determines the result of a build.
pub(super) struct Recipe<'a> {
    pub(super) source: &'a str,
    pub(super) patches: &'a [Patch],
    pub(super) fragments: &'a [Fragment],
    pub(super) tools: &'a str,
}

impl Recipe<'_> {
    /// Returns a hash of the recipe, which names the result.
    pub(super) fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            // Without the lengths, different parts could hash alike: "a", "bc" and "ab", "c".
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(FORMAT.as_bytes());
        add(self.source.as_bytes());
        add(self.tools.as_bytes());
        add(&(self.patches.len() as u64).to_le_bytes());
        self.patches.iter().for_each(|patch| add(&patch.text));
        self.fragments.iter().for_each(|fragment| add(fragment.text.as_bytes()));
        format!("{:x}", hash.finalize())[..16].to_owned()
    }
}

/// Returns the versions of the tools that generate the image's content.
pub(super) fn tools() -> Result<String> {
    let first_line = |program: &str| {
        let version = command::output(Command::new(program).arg("--version"))?;
        Ok::<_, anyhow::Error>(version.lines().next().unwrap_or_default().to_owned())
    };
    Ok(format!("{}\n{}", first_line("gcc")?, first_line("pahole")?))
}

/// The directory of kernels in the cache.
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    /// Returns the store in that directory, which need not exist yet.
    pub(super) fn at(root: &Path) -> Store {
        Store { root: root.to_owned() }
    }

    pub(super) fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    pub(super) fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    fn place(&self, name: &str, key: &str) -> PathBuf {
        self.root.join("built").join(format!("{name}-{key}"))
    }

    /// Returns the image, if that kernel is built.
    pub(super) fn find(&self, name: &str, key: &str) -> Option<PathBuf> {
        Some(self.place(name, key).join("bzImage")).filter(|image| image.exists())
    }

    /// Waits until no other task prepares a kernel of this sort. Dropping the returned file releases the lock.
    pub(super) fn lock(&self, what: &str) -> Result<File> {
        create_dir(&self.root)?;
        let path = self.root.join(format!("lock-{what}"));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if file.try_lock().is_err() {
            say(format!("waiting for another task that prepares a {what} kernel"));
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }

    /// Returns the directory of the newest kernel of that name.
    pub(super) fn find_any(&self, name: &str) -> Option<PathBuf> {
        let prefix = format!("{name}-");
        let entries = fs::read_dir(self.root.join("built")).ok()?.flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        let age = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        named.map(|entry| entry.path()).filter(|place| place.join("bzImage").exists()).max_by_key(age)
    }

    /// Copies a finished build into the store.
    pub(super) fn publish(&self, objects: &Path, name: &str, key: &str) -> Result<PathBuf> {
        let keep = |place: &Path| {
            for (from, to) in KEPT {
                let from = objects.join(from);
                fs::copy(&from, place.join(to)).with_context(|| format!("cannot keep {}", from.display()))?;
            }
            Ok(())
        };
        Ok(self.publish_with(name, key, keep)?.join("bzImage"))
    }

    /// Fills a kernel's directory. Other tasks find the complete directory or none.
    pub(super) fn publish_with(
        &self,
        name: &str,
        key: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.place(name, key);
        let built = self.root.join("built");
        create_dir(&built)?;
        let new = tempfile::Builder::new().prefix(".new-").tempdir_in(&built);
        let new = new.with_context(|| format!("cannot create a directory in {}", built.display()))?;
        fill(new.path())?;
        let new = new.keep();
        fs::rename(&new, &place).with_context(|| format!("cannot move the kernel to {}", place.display()))?;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(text: &str) -> Patch {
        Patch { name: "p".into(), text: text.into() }
    }

    fn fragment(text: &str) -> Fragment {
        Fragment { name: "f".into(), text: text.into() }
    }

    #[test]
    fn the_key_depends_on_every_part_of_the_recipe() {
        let key = |source, patches: &[&str], fragments: &[&str], tools| {
            let patches: Vec<_> = patches.iter().copied().map(patch).collect();
            let fragments: Vec<_> = fragments.iter().copied().map(fragment).collect();
            Recipe { source, patches: &patches, fragments: &fragments, tools }.key()
        };
        let keys = [
            key("6.12", &["a", "b"], &["c"], "gcc 12"),
            key("6.13", &["a", "b"], &["c"], "gcc 12"),
            key("6.12", &["b", "a"], &["c"], "gcc 12"),
            key("6.12", &["ab"], &["c"], "gcc 12"),
            key("6.12", &["a"], &["b", "c"], "gcc 12"),
            key("6.12", &["a", "b"], &["d"], "gcc 12"),
            key("6.12", &["a", "b"], &["c"], "gcc 13"),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "{keys:?}");
        assert_eq!(keys[0], key("6.12", &["a", "b"], &["c"], "gcc 12"));
        assert_eq!(keys[0].len(), 16);
    }

    #[test]
    fn only_a_complete_kernel_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let (store, objects) = (Store::at(&directory.path().join("cache")), directory.path().join("objects"));
        assert_eq!(store.find("patched", "k"), None);
        create_dir(&objects).expect("created");
        assert!(store.publish(&objects, "patched", "k").is_err());
        assert_eq!(store.find("patched", "k"), None);
        for (from, _) in KEPT {
            let file = objects.join(from);
            create_dir(file.parent().expect("below")).expect("created");
            fs::write(&file, from).expect("written");
        }
        let image = store.publish(&objects, "patched", "k").expect("complete");
        assert_eq!(store.find("patched", "k"), Some(image.clone()));
        assert_eq!(fs::read(image).expect("readable"), b"arch/x86/boot/bzImage");
        assert_eq!(fs::read_dir(directory.path().join("cache/built")).expect("readable").count(), 1);
    }
}
