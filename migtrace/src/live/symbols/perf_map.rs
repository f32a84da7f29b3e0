//! The functions that a perf map lists: names of code that a process generated, as its JIT compiler wrote them. Pure data:
//! [`super::perf_maps`] finds and reads the files.
//!
//! The format is tools/perf/Documentation/jit-interface.txt of the kernel: `START SIZE NAME`, both numbers hexadecimal.
//! Lines that are no such line are counted and ignored: a process can write what it wants.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// Limit of the functions of one process, bytes. A large Java program has about 50000 functions, or 8 MiB.
const BYTES: usize = 64 << 20;
/// A function without its name, bytes, about: its entry in the tree and its counted string.
const FUNCTION_BYTES: usize = 64;
/// Limit of a line, bytes; of a longer one the name is cut.
const LINE: usize = 1 << 10;

/// Functions by start address, without overlaps.
#[derive(Default)]
pub(super) struct PerfMap {
    functions: BTreeMap<u64, (u64, Arc<str>)>,
    /// The start of a line whose end has not been read.
    line: Vec<u8>,
    /// Size of `functions`. Two parts of one function count its name twice.
    bytes: usize,
    /// Lines that are not in the format.
    pub malformed: u64,
    /// Functions without room.
    pub evicted: u64,
}

impl PerfMap {
    /// Adds the lines in the next bytes of the file. A line without its end waits for the rest.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.extend_line(&bytes[..end]);
            let line = std::mem::take(&mut self.line);
            self.add_line(&line);
            self.line = line;
            self.line.clear();
            bytes = &bytes[end + 1..];
        }
        self.extend_line(bytes);
    }

    /// The name of the function at an address.
    pub(super) fn find(&self, addr: u64) -> Option<&Arc<str>> {
        let (_, (end, name)) = self.functions.range(..=addr).next_back()?;
        (addr < *end).then_some(name)
    }

    /// Memory of the functions.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = LINE - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn add_line(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match parse(line) {
            Some((range, name)) if !range.is_empty() => self.insert(range, name),
            // A label without a size: no address is in it.
            Some(_) => {}
            None => self.malformed += 1,
        }
    }

    /// The later line wins: a JIT compiler reuses memory of code that it freed.
    fn insert(&mut self, range: Range<u64>, name: Arc<str>) {
        if let Some((_, (end, earlier))) = self.functions.range_mut(..range.start).next_back()
            && *end > range.start
        {
            let (rest, earlier) = (*end, Arc::clone(earlier));
            *end = range.start;
            self.add_rest(range.end, rest, earlier);
        }
        while let Some((&start, _)) = self.functions.range(range.clone()).next() {
            let Some((end, earlier)) = self.functions.remove(&start) else { break };
            self.bytes -= FUNCTION_BYTES + earlier.len();
            self.add_rest(range.end, end, earlier);
        }
        self.add_rest(range.start, range.end, name);
    }

    /// Adds what is left of a range, if anything is.
    fn add_rest(&mut self, start: u64, end: u64, name: Arc<str>) {
        let bytes = FUNCTION_BYTES + name.len();
        if end <= start {
            return;
        }
        if self.bytes + bytes > BYTES {
            self.evicted += 1;
        } else {
            self.bytes += bytes;
            self.functions.insert(start, (end, name));
        }
    }
}

/// A line's addresses and name; `None` if it has another format.
fn parse(line: &[u8]) -> Option<(Range<u64>, Arc<str>)> {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let mut number = || {
        let word = std::str::from_utf8(words.next()?).ok()?;
        // JVM agents write 0x before the start.
        u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
    };
    let (start, size) = (number()?, number()?);
    let name = String::from_utf8_lossy(words.next()?.trim_ascii()).into_owned();
    if name.is_empty() || size > i64::MAX as u64 {
        return None;
    }
    Some((start..start.checked_add(size)?, name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> PerfMap {
        let mut map = PerfMap::default();
        map.add(text.as_bytes());
        map
    }

    fn names<const N: usize>(map: &PerfMap, addrs: [u64; N]) -> [Option<&str>; N] {
        addrs.map(|addr| map.find(addr).map(|name| &**name))
    }

    #[test]
    fn an_address_has_the_name_of_its_line() {
        let map = map("7f00 10 LazyCompile:~a b.js:1\n0x8000 0x20 Lfoo;::bar\n9000 0 label\r\n");
        assert_eq!(
            names(&map, [0x7eff, 0x7f00, 0x7f0f, 0x7f10]),
            [None, Some("LazyCompile:~a b.js:1"), Some("LazyCompile:~a b.js:1"), None]
        );
        assert_eq!(names(&map, [0x801f, 0x9000]), [Some("Lfoo;::bar"), None]);
        assert_eq!(map.malformed, 0);
    }

    #[test]
    fn the_later_line_wins_where_two_overlap() {
        let map = map("1000 100 old\n2000 100 gone\n1040 10 inner\n1ff0 200 over\n10f0 20 end\n");
        assert_eq!(
            names(&map, [0x1000, 0x1040, 0x1050, 0x10ef, 0x10f0, 0x110f, 0x1110]),
            [Some("old"), Some("inner"), Some("old"), Some("old"), Some("end"), Some("end"), None]
        );
        assert_eq!(names(&map, [0x1ff0, 0x2000, 0x21ef, 0x21f0]), [Some("over"), Some("over"), Some("over"), None]);
    }

    #[test]
    fn a_line_is_read_when_its_end_is_written() {
        let mut map = map("1000 10 fir");
        assert_eq!(map.find(0x1000), None);
        map.add(b"st\n2000 10 second\n30");
        assert_eq!(names(&map, [0x1000, 0x2000]), [Some("first"), Some("second")]);
        map.add(b"00 10 third\n");
        assert_eq!(names(&map, [0x3000]), [Some("third")]);
    }

    #[test]
    fn malformed_lines_are_counted_and_ignored() {
        let mut map = map("no numbers here\n1000 10\n1000 zz f\n-1 10 f\nffffffffffffffff 10 f\n1000 10  \n\n");
        map.add(&[0xff, 0, 0x1b, b'\n']);
        map.add(b"1000 10 good\n");
        assert_eq!((map.malformed, names(&map, [0x1000])), (7, [Some("good")]));
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut map = map("1000 10 ");
        for _ in 0..1024 {
            map.add(&[b'x'; 4096]);
        }
        assert!(map.line.len() <= LINE);
        map.add(b"\n2000 10 next\n");
        assert_eq!(map.find(0x1000).map(|name| name.len()), Some(LINE - "1000 10 ".len()));
        assert_eq!(names(&map, [0x2000]), [Some("next")]);
    }

    #[test]
    fn functions_without_room_are_counted() {
        let mut map = PerfMap::default();
        let name: Arc<str> = "x".repeat(1 << 16).into();
        let limit = (BYTES / (FUNCTION_BYTES + name.len())) as u64;
        for number in 0..limit + 7 {
            map.insert(number * 16..number * 16 + 16, Arc::clone(&name));
        }
        assert_eq!((map.functions.len() as u64, map.evicted), (limit, 7));
        // A new name for one that is known needs no more room.
        map.insert(0..16, "new".into());
        assert_eq!((names(&map, [0]), map.evicted), ([Some("new")], 7));
    }
}
