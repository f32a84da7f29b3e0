//! Downloads kernels of distributions, and unpacks them beside the built kernels. Never installs them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use xtask_common::{command, exit::Failure, files::create_dir, progress::step};

use super::{
    image::{Image, Module},
    manifest::{Packages, Stock},
    store::Store,
};
use crate::{download, setup};

/// Modules that a distribution's kernel needs to mount the host's root directory and to exchange frames with the host.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_console", "virtio_rng", "9pnet_virtio", "9p"];

/// Returns the kernel, and downloads it if the store has no kernel of that name. A stored kernel is not updated.
pub(super) fn image(store: &Store, name: &str, stock: &Stock) -> Result<Image> {
    if let Some(place) = store.find_any(name) {
        return load(name, &place);
    }
    let _lock = store.lock("stock")?;
    if let Some(place) = store.find_any(name) {
        return load(name, &place);
    }
    let place = match &stock.packages {
        Packages::Offered { package_prefix } => {
            let package = newest(package_prefix)?;
            store.publish_with(name, &package, |place| {
                let fetch = |into: &Path| setup::download(&[&package], into);
                step(&format!("fetching and unpacking {package}"), || unpack(fetch, place))
            })?
        }
        Packages::Pinned { debs } => {
            let version = debs.first().map_or(name, |deb| file_stem(&deb.url));
            store.publish_with(name, version, |place| {
                let fetch = |into: &Path| {
                    debs.iter().try_for_each(|deb| {
                        let file = into.join(file_stem(&deb.url)).with_extension("deb");
                        download::fetch(&deb.url, &file, Some(&deb.sha256))
                    })
                };
                step(&format!("fetching and unpacking {version}"), || unpack(fetch, place))
            })?
        }
    };
    load(name, &place)
}

/// Returns the image of kernel `name` and the modules that [`unpack`] wrote.
fn load(name: &str, place: &Path) -> Result<Image> {
    let directory = place.join("modules");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    // The file names are numbered in the order of loading.
    files.sort();
    let module = |host_file: PathBuf| {
        let name = host_file.file_name().unwrap_or_default().to_string_lossy();
        Module { name: format!("/modules/{name}"), host_file }
    };
    Ok(Image {
        name: name.to_owned(),
        bzimage: place.join("bzImage"),
        modules: files.into_iter().map(module).collect(),
        zram: false,
        slowness: 2,
    })
}

/// Returns the newest of the packages that the distribution offers.
fn newest(prefix: &str) -> Result<String> {
    let names = command::output(Command::new("apt-cache").args(["pkgnames", prefix]));
    let names = names.context(Failure::Environment("stock kernels of Debian need its apt-cache".into()))?;
    let newest = names.lines().filter_map(|name| Some((version(name, prefix)?, name))).max();
    newest.map(|(_, name)| name.to_owned()).ok_or_else(|| {
        let text = format!("apt offers no package {prefix}*-amd64: try `apt-get update`");
        Failure::Environment(text).into()
    })
}

/// Parses the version in the name of a plain image. `None` for its variants (cloud, rt, debug symbols, unsigned).
fn version(name: &str, prefix: &str) -> Option<Vec<u32>> {
    let middle = name.strip_prefix(prefix)?.strip_suffix("-amd64")?;
    let parts = middle.split(['.', '-', '+']).map(|part| part.strip_prefix("deb").unwrap_or(part).parse());
    parts.collect::<Result<_, _>>().ok()
}

/// Returns the file name in a URL, without `.deb`.
fn file_stem(url: &str) -> &str {
    let name = url.rsplit('/').next().unwrap_or(url);
    name.strip_suffix(".deb").unwrap_or(name)
}

/// Unpacks the packages that `fetch` puts into a directory. Keeps the image and the modules that it needs to boot.
fn unpack(fetch: impl FnOnce(&Path) -> Result<()>, place: &Path) -> Result<()> {
    let work = tempfile::tempdir().context("cannot create a temporary directory")?;
    let (root, debs) = (work.path().join("root"), work.path().join("debs"));
    create_dir(&root)?;
    create_dir(&debs)?;
    fetch(&debs)?;
    let entries = fs::read_dir(&debs).with_context(|| format!("cannot read {}", debs.display()))?;
    for deb in entries.flatten() {
        command::run(Command::new("dpkg").arg("--extract").arg(deb.path()).arg(&root))?;
    }
    // Newer packages have /usr/lib only; depmod and modprobe look in /lib.
    if !root.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).context("cannot link lib to usr/lib")?;
    }
    let image = only_entry(&root.join("boot"), |name| name.starts_with("vmlinuz-"))?;
    fs::copy(&image, place.join("bzImage")).with_context(|| format!("cannot keep {}", image.display()))?;
    let release = only_entry(&root.join("lib/modules"), |_| true)?;
    let release = release.file_name().unwrap_or_default();
    fs::write(place.join("release"), release.as_encoded_bytes()).context("cannot keep the kernel's release")?;

    let mut depmod = Command::new("depmod");
    command::run(with_system_path(&mut depmod).arg("--basedir").arg(&root).arg(release))?;
    let mut modprobe = Command::new("modprobe");
    with_system_path(&mut modprobe).args(["--show-depends", "--ignore-install", "--all", "--dirname"]);
    let needed = command::output(modprobe.arg(&root).arg("--set-version").arg(release).args(MODULES))?;
    let modules = place.join("modules");
    create_dir(&modules)?;
    for (number, file) in insmods(&needed).into_iter().enumerate() {
        let name = module_name(file);
        fs::write(modules.join(format!("{number:02}-{name}.ko")), decompressed(Path::new(file))?)
            .with_context(|| format!("cannot keep module {name}"))?;
    }
    Ok(())
}

fn with_system_path(command: &mut Command) -> &mut Command {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"))
}

fn only_entry(directory: &Path, wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut found = entries.flatten().filter(|entry| wanted(&entry.file_name().to_string_lossy()));
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry.path()),
        _ => bail!("expected exactly one matching entry in {}", directory.display()),
    }
}

/// Returns the module files in modprobe's output, each once, in the order of loading.
fn insmods(output: &str) -> Vec<&str> {
    let mut files = Vec::new();
    for file in output.lines().filter_map(|line| line.strip_prefix("insmod ")?.split_whitespace().next()) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// Returns `9p` for `/lib/modules/6.12/kernel/fs/9p/9p.ko.xz`.
fn module_name(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split(".ko").next().unwrap_or(name)
}

fn decompressed(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(file).with_context(|| format!("cannot read {}", file.display())),
    };
    let output = Command::new(program).args(["--decompress", "--stdout"]).arg(file).output();
    let output = output.with_context(|| format!("cannot start {program} to unpack {}", file.display()))?;
    if !output.status.success() {
        bail!("{program} cannot unpack {}", file.display());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_images_are_ordered_by_their_numbers() {
        let prefix = "linux-image-6.12.";
        let of = |name: &str| version(name, prefix);
        assert!(of("linux-image-6.12.117+deb12-amd64") > of("linux-image-6.12.99+deb12-amd64"));
        for variant in ["cloud-amd64", "rt-amd64", "amd64-dbg", "amd64-unsigned"] {
            assert_eq!(of(&format!("linux-image-6.12.117+deb12-{variant}")), None, "{variant}");
        }
        assert_eq!(version("linux-image-6.12.117+deb12-amd64", "linux-image-6.1."), None);
        assert_eq!(version("linux-image-6.1.0-56-amd64", "linux-image-6.1."), Some(vec![0, 56]));
    }

    #[test]
    fn modules_are_loaded_once_and_in_order() {
        let output = "builtin virtio_pci\ninsmod /r/lib/modules/6/kernel/net/9p/9pnet.ko.xz \n\
                      insmod /r/lib/modules/6/kernel/net/9p/9pnet_virtio.ko.xz \n\
                      insmod /r/lib/modules/6/kernel/net/9p/9pnet.ko.xz \ninsmod /r/lib/modules/6/kernel/fs/9p/9p.ko\n";
        let names: Vec<_> = insmods(output).into_iter().map(module_name).collect();
        assert_eq!(names, ["9pnet", "9pnet_virtio", "9p"]);
    }
}
