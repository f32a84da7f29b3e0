//! The protocol between `cargo xtask vm` and the first process of its guest.
//!
//! The host writes a [`Job`](job::Job) into the initramfs. While the job runs, both sides exchange
//! [`Frame`](frame::Frame)s over one virtio-serial port.

pub mod frame;
pub mod job;
