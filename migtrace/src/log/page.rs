//! Names of pages in the log: the number in its requested range, and the address.

use crate::{
    event::{Body, RegionClass},
    model::{Run, requested_ranges::Place},
    text::escape_control,
};

/// The page or pages that an event is about, in words.
pub(super) fn of_event(run: &Run, index: usize) -> String {
    let event = &run.events[index];
    let by_frame = run.marks.of_event(index).is_some_and(|m| m.addr_by_frame);
    match run.addr(index) {
        Some(addr) => of_addr(run, event.pid, addr, order_of(&event.body), by_frame),
        None if order_of(&event.body) > 0 => {
            format!("a folio of {} pages of unknown address", 1_u64 << order_of(&event.body))
        }
        None => one_of(run, index).unwrap_or_else(|| "a page of unknown address".into()),
    }
}

/// A marked page without an address, as one of the pages that its syscall leaves for it.
fn one_of(run: &Run, index: usize) -> Option<String> {
    let request = run.marks.request_of(run.marks.of_event(index)?)?;
    let pid = run.events[request].pid;
    let places = run.marks.remaining(request)?.iter().map(|&addr| run.segments.place(pid, addr));
    let places: Vec<Place> = places.collect::<Option<_>>()?;
    let pages = places.first()?.pages;
    let runs = places.chunk_by(|a, b| a.page + 1 == b.page).map(|run| match run {
        [one] => one.page.to_string(),
        _ => format!("{}..{}", run[0].page, run[run.len() - 1].page),
    });
    let runs: Vec<String> = runs.collect();
    Some(match places.len() {
        1 => format!("page {} of {pages} (by elimination)", runs[0]),
        _ if runs.len() > 8 => format!("one of {} untouched pages of {pages}", places.len()),
        _ => format!("one of the pages {} of {pages}", runs.join(", ")),
    })
}

/// An address of a process in words. `by_frame`: the address was found by the page frame.
pub(super) fn of_addr(run: &Run, pid: u32, addr: u64, order: u32, by_frame: bool) -> String {
    let how = if by_frame { ", by frame" } else { "" };
    let folio = if order > 0 { ", one folio" } else { "" };
    let Some(place) = run.segments.place(pid, addr) else {
        let folio = folio.to_owned() + &mapped(run, pid, addr);
        return if order > 0 {
            format!("{} pages at {addr:#x}{how}{folio}", 1_u64 << order)
        } else {
            format!("page at {addr:#x}{how}{folio}")
        };
    };
    let range = if run.segments.len() > 1 { format!(" of range {}", letter(place.segment)) } else { String::new() };
    let pages = if order > 0 {
        // The page's folio may begin before the range or end after it.
        let last = (place.page + (1_u64 << order) - 1).min(place.pages);
        format!("pages {}..{last}", place.page)
    } else {
        format!("page {}", place.page)
    };
    format!("{pages} of {}{range} ({addr:#x}{how}{folio})", place.pages)
}

/// The place of an address in its mapping, outside all requested ranges.
fn mapped(run: &Run, pid: u32, addr: u64) -> String {
    let Some(place) = run.segments.mapping(pid, addr) else { return String::new() };
    format!(", page {} of {} of {},", place.page, place.pages, mapping(place.class, place.name))
}

/// A mapping in words.
pub(super) fn mapping(class: RegionClass, name: &str) -> String {
    let kind = match class {
        RegionClass::Stack => return "the stack".into(),
        RegionClass::Heap => return "the heap".into(),
        RegionClass::Anon if name.is_empty() => return "an anonymous mapping".into(),
        RegionClass::Anon => "the anonymous mapping",
        RegionClass::File => "the file mapping",
        RegionClass::Shmem => "the shared-memory mapping",
        RegionClass::Hugetlb => "the hugetlb mapping",
        RegionClass::Other => "the mapping",
    };
    if name.is_empty() { kind.into() } else { format!("{kind} {}", escape_control(name)) }
}

/// `A` to `Z`, then `A1`, `B1`, ...
pub(super) fn letter(number: usize) -> String {
    let letter = char::from(b'A' + (number % 26) as u8);
    match number / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

const fn order_of(body: &Body) -> u32 {
    match body {
        Body::Mark(m) => m.order,
        Body::Migrate(m) => m.order,
        // The address of a check is that of the touch: one page of the folio.
        _ => 0,
    }
}
