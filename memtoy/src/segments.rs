//! The segments of a session, by name.

use std::{fmt, ops::Range};

use crate::{errno::CallError, mapping::Mapping, size::Extent};

/// A named piece of anonymous memory, mapped or not.
#[derive(Debug)]
pub(crate) struct Segment {
    name: String,
    pages: usize,
    shared: bool,
    huge: bool,
    mapping: Option<Mapping>,
}

/// The pages of a segment that a command works on.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) mapping: &'a mut Mapping,
    pub(crate) range: Range<usize>,
    /// Whether the command named more pages than the segment has.
    pub(crate) clipped: bool,
}

/// The segments, in the order of their definition.
#[derive(Debug, Default)]
pub(crate) struct Segments(Vec<Segment>);

impl Segments {
    pub(crate) fn add(&mut self, name: &str, pages: usize, shared: bool, huge: bool) -> Result<(), String> {
        if self.0.iter().any(|s| s.name == name) {
            return Err(format!("segment {name} already exists: `remove {name}` first"));
        }
        if pages == 0 {
            return Err(format!("segment {name} has no pages: use a size of at least 1"));
        }
        self.0.push(Segment { name: name.to_owned(), pages, shared, huge, mapping: None });
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) -> Result<(), String> {
        self.get(name)?;
        self.0.retain(|s| s.name != name);
        Ok(())
    }

    pub(crate) fn get(&mut self, name: &str) -> Result<&mut Segment, String> {
        let found = self.0.iter_mut().find(|s| s.name == name);
        found.ok_or_else(|| format!("no segment {name}: `anon {name} <size>` first"))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.0.iter()
    }

    /// Returns the pages of segment `name` that `extent` names; without an extent, all pages.
    pub(crate) fn part(&mut self, name: &str, extent: Option<&Extent>) -> Result<Part<'_>, String> {
        let segment = self.get(name)?;
        let pages = segment.pages;
        let Some(mapping) = &mut segment.mapping else {
            return Err(format!("{name} is not mapped: `map {name}` first"));
        };
        let (range, clipped) = match extent {
            None => (0..pages, false),
            Some(extent) => {
                extent.pages(pages).ok_or_else(|| format!("{extent} is beyond the end of {name}, {pages} pages"))?
            }
        };
        Ok(Part { mapping, range, clipped })
    }
}

impl Segment {
    /// Returns whether the segment's name is `name`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.mapping.is_some()
    }

    pub(crate) fn map(&mut self) -> Result<(), CallError> {
        self.mapping = Some(Mapping::new(self.pages, self.shared, self.huge)?);
        Ok(())
    }

    pub(crate) fn unmap(&mut self) {
        self.mapping = None;
    }
}

impl fmt::Display for Segment {
    /// Formats the segment as the original memtoy does: type (`a` for anonymous), start, length, permissions, sharing,
    /// name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sharing = if self.shared { "shared " } else { "private" };
        match &self.mapping {
            Some(m) => write!(
                f,
                "a {:#018x} {:#014x} {:>8} pages rw- {sharing} {}",
                m.addr(),
                m.bytes(),
                self.pages,
                self.name
            ),
            None => write!(f, "a {:<18} {:<14} {:>8} pages --- {sharing} {}", "not mapped", "", self.pages, self.name),
        }
    }
}
