//! Packs the initramfs: the first process, the kernel modules that it loads, and the job.

use std::{fs, io::Cursor};

use anyhow::{Context, Result};
use cpio::newc::{Builder, trailer};
use xtask_guest::job::{self, Job};

use crate::kernel::Module;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Returns an archive in the "newc" format, which the kernel unpacks into its initial root directory.
pub(super) fn archive(init: &[u8], modules: &[Module], job: &Job) -> Result<Vec<u8>> {
    let mut entries = vec![
        (Builder::new("dev").mode(DIRECTORY), Vec::new()),
        // The first process's standard streams, until devtmpfs is mounted.
        (Builder::new("dev/console").mode(CHARACTER_DEVICE).rdev_major(5).rdev_minor(1), Vec::new()),
        (Builder::new("modules").mode(DIRECTORY), Vec::new()),
        (Builder::new("init").mode(PROGRAM), init.to_vec()),
        (Builder::new(job::PATH.trim_start_matches('/')).mode(FILE), serde_json::to_vec(job)?),
    ];
    for Module { host_file, name } in modules {
        let content = fs::read(host_file).with_context(|| format!("cannot read {}", host_file.display()))?;
        entries.push((Builder::new(name.trim_start_matches('/')).mode(FILE), content));
    }
    let mut archive = Cursor::new(Vec::new());
    let write = || {
        for (number, (builder, content)) in entries.into_iter().enumerate() {
            let mut entry = builder.ino(number as u32 + 1).write(&mut archive, content.len() as u32);
            std::io::Write::write_all(&mut entry, &content)?;
            entry.finish()?;
        }
        trailer(&mut archive)
    };
    write().context("cannot assemble the initramfs")?;
    Ok(archive.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use cpio::newc::Reader;

    use super::*;

    fn job() -> Job {
        Job {
            argv: vec!["true".into()],
            env: vec![("A".into(), "b c".into())],
            cwd: "/".into(),
            terminal: None,
            shares: Vec::new(),
            modules: vec!["/modules/9p.ko".into()],
            swap_bytes: 1 << 30,
            cgroups: job::Cgroups::Hybrid,
            tracefs: true,
        }
    }

    #[test]
    fn the_archive_contains_what_the_first_process_needs() {
        let module = tempfile::NamedTempFile::new().expect("a file");
        fs::write(module.path(), b"module").expect("written");
        let modules = [Module { host_file: module.path().into(), name: "/modules/9p.ko".into() }];
        let bytes = archive(b"#!init", &modules, &job()).expect("an archive");

        let mut seen = Vec::new();
        let mut rest = Cursor::new(bytes);
        loop {
            let mut reader = Reader::new(rest).expect("an entry");
            if reader.entry().is_trailer() {
                break;
            }
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            let mut content = Vec::new();
            reader.read_to_end(&mut content).expect("its content");
            seen.push((name, mode, content));
            rest = reader.finish().expect("the next entry");
        }
        let names: Vec<_> = seen.iter().map(|(name, mode, _)| (name.as_str(), *mode)).collect();
        assert_eq!(
            names,
            [
                ("dev", 0o040755),
                ("dev/console", 0o020600),
                ("modules", 0o040755),
                ("init", 0o100755),
                ("job.json", 0o100644),
                ("modules/9p.ko", 0o100644),
            ]
        );
        assert_eq!(seen[3].2, b"#!init");
        assert_eq!(seen[5].2, b"module");
        let job: Job = serde_json::from_slice(&seen[4].2).expect("the job");
        assert_eq!((job.argv, job.swap_bytes), (vec!["true".into()], 1 << 30));
        assert_eq!(job.cgroups, job::Cgroups::Hybrid);
    }
}
