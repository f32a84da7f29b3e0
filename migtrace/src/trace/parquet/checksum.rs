//! Checksums of a trace file: of every row group's data, and of the footer, which has its position.
//!
//! Parquet has checksums of pages, but the library does not write them, and none of the footer. Without checksums, one
//! flipped bit in ten changed events unnoticed. They are in the file's metadata under [`KEY`]:
//! `footer:9ae0daaf groups:7f2c5b1e,00c4f3a2`.

use parquet::file::metadata::{KeyValue, RowGroupMetaData};

/// The key in a file's metadata.
pub(crate) const KEY: &str = "migtrace.crc32";
/// Bytes at a Parquet file's end: the footer's length and `PAR1`.
pub(crate) const TAIL: usize = 8;

const BEFORE: &[u8] = b"footer:";
const AFTER: &[u8] = b" groups:";
/// Hexadecimal digits of a checksum.
const DIGITS: usize = 8;
/// Placeholder for the footer's checksum while it is computed.
const HOLE: [u8; DIGITS] = [b'0'; DIGITS];

/// CRC-32 of a row group: its column chunks, in the order of the columns. `None` if a chunk is outside of `data`, which
/// starts `base` bytes into the file.
pub(crate) fn of_group(group: &RowGroupMetaData, data: &[u8], base: u64) -> Option<u32> {
    let mut hasher = crc32fast::Hasher::new();
    for column in group.columns() {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let start = usize::try_from(u64::try_from(start).ok()?.checked_sub(base)?).ok()?;
        let end = start.checked_add(usize::try_from(column.compressed_size()).ok()?)?;
        hasher.update(data.get(start..end)?);
    }
    Some(hasher.finalize())
}

/// The metadata entry for row groups with these checksums. [`seal`] fills in the footer's.
pub(crate) fn entry(groups: &[u32]) -> KeyValue {
    let groups = groups.iter().map(|g| format!("{g:08x}")).collect::<Vec<_>>().join(",");
    KeyValue::new(KEY.to_owned(), format!("footer:00000000 groups:{groups}"))
}

/// The row groups' checksums in the text of a metadata entry; `None` if it is invalid.
pub(crate) fn groups(text: &str) -> Option<Vec<u32>> {
    let groups = text.get(BEFORE.len() + DIGITS + AFTER.len()..)?;
    groups.split(',').filter(|g| !g.is_empty()).map(|g| u32::from_str_radix(g, 16).ok()).collect()
}

/// Fills in the checksum of a new footer.
pub(crate) fn seal(footer: &mut [u8]) {
    let Some(hole) = hole(footer) else { return };
    let checksum = format!("{:08x}", crc32fast::hash(footer));
    footer[hole..hole + DIGITS].copy_from_slice(checksum.as_bytes());
}

/// Whether a footer matches its checksum; false without a checksum.
pub(crate) fn is_sealed(footer: &[u8]) -> bool {
    let Some(hole) = hole(footer) else { return false };
    let mut open = footer.to_vec();
    open[hole..hole + DIGITS].copy_from_slice(&HOLE);
    footer[hole..hole + DIGITS] == *format!("{:08x}", crc32fast::hash(&open)).as_bytes()
}

/// Position of the checksum's digits in a footer: the last match, because other metadata comes before.
fn hole(footer: &[u8]) -> Option<usize> {
    let length = BEFORE.len() + DIGITS + AFTER.len();
    let at = footer.windows(length).rposition(|w| w.starts_with(BEFORE) && w.ends_with(AFTER))?;
    Some(at + BEFORE.len())
}

/// The footer's length in bytes, from a Parquet file's last bytes; `None` if these are not the end of one.
pub(crate) fn footer_bytes(tail: [u8; TAIL]) -> Option<u64> {
    let [a, b, c, d, magic @ ..] = tail;
    (&magic == b"PAR1").then(|| u64::from(u32::from_le_bytes([a, b, c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_footer_is_found() {
        let mut footer =
            b"\x15\x02schema footer:12345678 groups: by hand footer:00000000 groups:7f2c5b1e created_by".to_vec();
        assert!(!is_sealed(&footer));
        seal(&mut footer);
        assert!(is_sealed(&footer));
        for bit in 0..footer.len() * 8 {
            footer[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_sealed(&footer), "bit {bit}");
            footer[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(!is_sealed(b"footer:0000000 groups:"));
    }

    #[test]
    fn an_entry_holds_the_groups() {
        let entry = entry(&[1, u32::MAX]).value.expect("a text");
        assert_eq!(entry, "footer:00000000 groups:00000001,ffffffff");
        assert_eq!(groups(&entry), Some(vec![1, u32::MAX]));
        assert_eq!(groups("footer:00000000 groups:"), Some(vec![]));
        assert_eq!([groups("x"), groups("footer:00000000 groups:x")], [None, None]);
    }
}
