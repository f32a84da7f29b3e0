//! The map as a picture of text: addresses from top to bottom, and a bar for each node. Addresses without pages are skipped.

use super::{
    model::Map,
    place::{Counts, Place},
    words::place_name,
};
use crate::text::{Line, Tone, heading, line, quantity};

/// Columns of the addresses, and of the pages in a row.
const ADDRESS: usize = 14;
const PAGES: usize = 9;
/// Width of a bar.
const NARROWEST: usize = 8;
const WIDEST: usize = 24;

/// Draws at most `height` rows of at most `width` columns, but each bar has a minimum.
#[must_use]
pub fn lines(map: &Map, width: usize, height: usize) -> Vec<Line> {
    let cells = map.cells.all();
    let places: Vec<Place> = map.counts().iter().map(|(place, _)| place).collect();
    if cells.is_empty() || places.is_empty() {
        return Vec::new();
    }
    let rows = height.min(cells.len()).max(1);
    let bar = (width.saturating_sub(ADDRESS + PAGES) / places.len()).saturating_sub(2).clamp(NARROWEST, WIDEST);
    let title = format!(
        "pages by address and node; a bar is a share of its row's pages, a row is {} or more",
        quantity::bytes(map.cells.bytes())
    );
    let mut lines: Vec<Line> = heading(&title).into();
    let mut head = format!("{:ADDRESS$}", "");
    for place in &places {
        // A name is cut if its bar is shorter.
        let name: String = place_name(*place).chars().take(bar).collect();
        head.push_str(&format!("{name:<bar$}  "));
    }
    lines.push(Tone::Dim.paint(format!("{head}{:>PAGES$}", "pages")).into());
    for row in 0..rows {
        let (from, to) = (row * cells.len() / rows, (row + 1) * cells.len() / rows);
        let mut sum = Counts::default();
        cells[from..to].iter().for_each(|(_, counts)| sum.merge(counts));
        let mut text = line![Tone::Dim.paint(format!("{:>12x}  ", cells[from].0))];
        for place in &places {
            let pages = sum.iter().find(|(other, _)| other == place).map_or(0, |(_, pages)| pages);
            text.push(tone(map, *place).paint(filled(pages, sum.total(), bar)));
            text.push("  ");
        }
        text.push(format!("{:>PAGES$}", quantity::short_count(sum.total())));
        lines.push(text);
    }
    lines
}

/// Remote nodes have the colour of remote pages.
fn tone(map: &Map, place: Place) -> Tone {
    match place {
        Place::Node(nid) if map.threads.is_empty() || map.threads.contains_key(&nid) => Tone::Bar,
        Place::Node(_) => Tone::Remote,
        Place::UnknownNode | Place::Zero | Place::Swap | Place::Special => Tone::Warn,
    }
}

/// A bar of `width` columns. Any part above 0 is visible.
fn filled(pages: u64, of: u64, width: usize) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (u128::from(pages) * width as u128 * 8).div_ceil(u128::from(of.max(1))) as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(PARTS[eighths % 8]);
    }
    let missing = width - eighths.div_ceil(8);
    bar + &" ".repeat(missing)
}

/// Lines of a picture that fits under a text on a terminal of this height.
#[must_use]
pub fn height(terminal: usize) -> usize {
    (terminal / 2).clamp(8, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_any_page_and_never_exceeds_its_width() {
        assert_eq!(filled(0, 10, 4), "    ");
        assert_eq!(filled(1, 1_000_000, 4), "▏   ");
        assert_eq!(filled(5, 10, 4), "██  ");
        assert_eq!(filled(10, 10, 4), "████");
        assert_eq!(filled(3, 8, 4), "█▌  ");
        assert_eq!(filled(999_999, 1_000_000, 4), "████");
        assert_eq!(filled(0, 0, 2), "  ");
    }
}
