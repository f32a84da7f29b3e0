//! Frames on the wire: one byte of kind, the payload's length as u32 little-endian, the payload.

use std::io::{self, ErrorKind, Read, Write};

/// Name of the virtio-serial port that carries the frames.
pub const PORT: &str = "migtrace.job";
/// Name of the port through which the guest can request that memory or a CPU is plugged: one line each.
pub const PLUG_PORT: &str = "migtrace.plug";
/// Maximum length of a payload. A longer one means that the stream is out of step.
pub const MAX_PAYLOAD: usize = 1 << 16;
/// Bytes of standard input that the host may send before the guest confirms any with [`Frame::StdinTaken`].
pub const STDIN_WINDOW: usize = 1 << 18;

const HEADER: usize = 5;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Guest: user space is up, and the job starts.
    Ready,
    /// Guest, once a second: still alive.
    Heartbeat,
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// Guest: this many bytes of standard input were passed to the job.
    StdinTaken(u32),
    /// Guest: the job ended with this status. After signal n it is 128 + n, as in a shell.
    Exit(u8),
    /// Guest: the job could not be set up.
    Failed(String),
    Stdin(Vec<u8>),
    StdinEnd,
    /// Host: the reader of the job's standard output (1) or error (2) is gone.
    Closed(u8),
    /// Host: send this signal to the job's process group.
    Signal(u8),
    /// Host: the terminal has this many rows and columns now.
    Resize(u16, u16),
}

impl Frame {
    /// Encodes this frame.
    pub fn encode(&self) -> Vec<u8> {
        let number;
        let (kind, payload): (u8, &[u8]) = match self {
            Frame::Ready => (b'R', &[]),
            Frame::Heartbeat => (b'H', &[]),
            Frame::Stdout(data) => (b'1', data),
            Frame::Stderr(data) => (b'2', data),
            Frame::StdinTaken(count) => {
                number = count.to_le_bytes();
                (b'T', &number)
            }
            Frame::Exit(status) => (b'X', std::slice::from_ref(status)),
            Frame::Failed(text) => (b'F', text.as_bytes()),
            Frame::Stdin(data) => (b'0', data),
            Frame::StdinEnd => (b'E', &[]),
            Frame::Closed(stream) => (b'C', std::slice::from_ref(stream)),
            Frame::Signal(signal) => (b'S', std::slice::from_ref(signal)),
            Frame::Resize(rows, columns) => {
                number = (u32::from(*rows) | u32::from(*columns) << 16).to_le_bytes();
                (b'W', &number)
            }
        };
        debug_assert!(payload.len() <= MAX_PAYLOAD);
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.push(kind);
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    fn from_parts(kind: u8, payload: &[u8]) -> io::Result<Frame> {
        let bad = || io::Error::new(ErrorKind::InvalidData, format!("bad frame: kind {kind:#x}"));
        let byte = || payload.first().copied().ok_or_else(bad);
        let number = || payload.try_into().map(u32::from_le_bytes).map_err(|_| bad());
        Ok(match kind {
            b'R' => Frame::Ready,
            b'H' => Frame::Heartbeat,
            b'1' => Frame::Stdout(payload.to_vec()),
            b'2' => Frame::Stderr(payload.to_vec()),
            b'T' => Frame::StdinTaken(number()?),
            b'X' => Frame::Exit(byte()?),
            b'F' => Frame::Failed(String::from_utf8_lossy(payload).into_owned()),
            b'0' => Frame::Stdin(payload.to_vec()),
            b'E' => Frame::StdinEnd,
            b'C' => Frame::Closed(byte()?),
            b'S' => Frame::Signal(byte()?),
            b'W' => Frame::Resize(number()? as u16, (number()? >> 16) as u16),
            _ => return Err(bad()),
        })
    }
}

/// Assembles frames from bytes that arrive in pieces.
#[derive(Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next complete frame, if there is one. Fails if the bytes are not a frame.
    pub fn next_frame(&mut self) -> io::Result<Option<Frame>> {
        let Some((&[kind, a, b, c, d], rest)) = self.bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_PAYLOAD {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("bad frame: {length} bytes long")));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::from_parts(kind, payload)?;
        self.bytes.drain(..HEADER + length);
        Ok(Some(frame))
    }
}

/// Waits for one frame and reads it.
pub fn read(from: &mut impl Read) -> io::Result<Frame> {
    let mut header = [0; HEADER];
    from.read_exact(&mut header)?;
    let [kind, a, b, c, d] = header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > MAX_PAYLOAD {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("bad frame: {length} bytes long")));
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Frame::from_parts(kind, &payload)
}

/// Writes one frame at once.
pub fn write(to: &mut impl Write, frame: &Frame) -> io::Result<()> {
    to.write_all(&frame.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Frame> {
        vec![
            Frame::Ready,
            Frame::Heartbeat,
            Frame::Stdout(b"a\0\xff\n".to_vec()),
            Frame::Stderr(Vec::new()),
            Frame::StdinTaken(70_000),
            Frame::Exit(139),
            Frame::Failed("no root".into()),
            Frame::Stdin(vec![7; MAX_PAYLOAD]),
            Frame::StdinEnd,
            Frame::Closed(1),
            Frame::Signal(15),
            Frame::Resize(24, 300),
        ]
    }

    #[test]
    fn every_frame_survives_the_wire_byte_by_byte() {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for byte in all().iter().flat_map(Frame::encode) {
            decoder.push(&[byte]);
            seen.extend(decoder.next_frame().expect("whole frames only"));
        }
        assert_eq!(seen, all());
    }

    #[test]
    fn every_frame_survives_a_blocking_read() {
        let bytes: Vec<u8> = all().iter().flat_map(Frame::encode).collect();
        let mut rest = bytes.as_slice();
        for frame in all() {
            assert_eq!(read(&mut rest).expect("a frame"), frame);
        }
    }

    #[test]
    fn noise_is_rejected() {
        let mut decoder = Decoder::default();
        decoder.push(b"[    0.000000] Linux version");
        assert!(decoder.next_frame().is_err());
        let mut decoder = Decoder::default();
        decoder.push(&[b'X', 0, 0, 0, 0]);
        assert!(decoder.next_frame().is_err());
    }
}
