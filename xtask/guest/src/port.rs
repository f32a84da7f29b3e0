//! The virtio-serial port to the host.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use xtask_guest::frame::{self, Frame, PORT};

/// Time limit for the device to appear: drivers probe their devices after module loading has returned.
const APPEARS_WITHIN: Duration = Duration::from_secs(20);

/// The port in both directions. Several threads may write, but only one may read.
pub(crate) struct Port {
    reader: File,
    writer: Mutex<File>,
}

impl Port {
    /// Waits for the device and opens it.
    pub(crate) fn open() -> Result<&'static Port> {
        let began = Instant::now();
        let device = loop {
            if let Some(device) = find(Path::new("/sys/class/virtio-ports")) {
                break device;
            }
            if began.elapsed() > APPEARS_WITHIN {
                bail!("no virtio-serial port named {PORT}: the kernel needs virtio_console and virtio_pci");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let writer = File::options().read(true).write(true).open(&device);
        let writer = writer.with_context(|| format!("cannot open {}", device.display()))?;
        let reader = writer.try_clone().context("cannot duplicate the port's descriptor")?;
        // The first process never ends, so its port need not be freed.
        Ok(Box::leak(Box::new(Port { reader, writer: Mutex::new(writer) })))
    }

    /// Sends one frame. Ignores a failure: if the host is gone, the machine ends too.
    pub(crate) fn send(&self, frame: &Frame) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = frame::write(&mut *writer, frame);
    }

    /// Waits for the next frame from the host.
    pub(crate) fn receive(&self) -> io::Result<Frame> {
        frame::read(&mut &self.reader)
    }
}

/// Finds the device whose name in sysfs is [`PORT`].
fn find(class: &Path) -> Option<PathBuf> {
    fs::read_dir(class).ok()?.flatten().find_map(|entry| {
        let name = fs::read_to_string(entry.path().join("name")).ok()?;
        (name.trim_end() == PORT).then(|| Path::new("/dev").join(entry.file_name()))
    })
}
