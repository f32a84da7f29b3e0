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

/// Drivers find their devices after the modules are loaded, not while.
const APPEARS_WITHIN: Duration = Duration::from_secs(20);

/// Both directions; writers take turns, one reader only.
pub(crate) struct Port {
    reader: File,
    writer: Mutex<File>,
}

impl Port {
    /// Waits for the device and opens it.
    pub(crate) fn open() -> Result<&'static Port> {
        let asked = Instant::now();
        let device = loop {
            if let Some(device) = find(Path::new("/sys/class/virtio-ports")) {
                break device;
            }
            if asked.elapsed() > APPEARS_WITHIN {
                bail!("no virtio-serial port named {PORT}: does this kernel have virtio_console and virtio_pci?");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let writer = File::options().read(true).write(true).open(&device);
        let writer = writer.with_context(|| format!("cannot open {}", device.display()))?;
        let reader = writer.try_clone().context("cannot duplicate the port's descriptor")?;
        // The first process never ends, so neither does its port.
        Ok(Box::leak(Box::new(Port { reader, writer: Mutex::new(writer) })))
    }

    /// Sends one frame. A failure is ignored: a host that is gone stops the machine.
    pub(crate) fn send(&self, frame: &Frame) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = frame::write(&mut *writer, frame);
    }

    /// Waits for the next frame from the host.
    pub(crate) fn receive(&self) -> io::Result<Frame> {
        frame::read(&mut &self.reader)
    }
}

/// The device whose name in sysfs is the port's.
fn find(class: &Path) -> Option<PathBuf> {
    fs::read_dir(class).ok()?.flatten().find_map(|entry| {
        let name = fs::read_to_string(entry.path().join("name")).ok()?;
        (name.trim_end() == PORT).then(|| Path::new("/dev").join(entry.file_name()))
    })
}
