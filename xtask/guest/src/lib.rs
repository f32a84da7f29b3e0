//! What `cargo xtask vm` and the first process of its guest say to each other.
//!
//! The host writes a [`Job`](job::Job) into the initramfs; while the job runs both sides exchange
//! [`Frame`](frame::Frame)s over one virtio-serial port.

pub mod frame;
pub mod job;
