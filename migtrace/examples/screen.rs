//! Draws a terminal screen as SVG, for the picture in README.md:
//!
//!     tmux capture-pane -e -p > screen.ansi
//!     cargo run --example screen -- screen.ansi docs/top.svg "migtrace top"
//!
//! Every word is placed at its own column, and blocks are rectangles, so that any font gives the same picture.

use std::{error::Error, fmt::Write, fs};

/// Pixels of one character cell.
const CELL: (f64, f64) = (8.4, 18.0);
const FONT_SIZE: f64 = 14.0;
/// Pixels around the screen, and above it for the title.
const MARGIN: f64 = 14.0;
const TITLE: f64 = 34.0;
const BACKGROUND: &str = "#14171c";
const FOREGROUND: &str = "#dedede";
/// The lights of a window, from its left.
const LIGHTS: [&str; 3] = ["#ff5f57", "#febc2e", "#28c840"];
/// xterm's first 16 colours.
const BASIC: [&str; 16] = [
    "#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5", "#666666", "#f14c4c",
    "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
];
/// Steps of a channel in xterm's cube of 216 colours.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

#[derive(Clone, Default, PartialEq)]
struct Style {
    foreground: Option<String>,
    background: Option<String>,
    bold: bool,
    reversed: bool,
}

impl Style {
    fn ink(&self) -> &str {
        let color = if self.reversed { &self.background } else { &self.foreground };
        color.as_deref().unwrap_or(if self.reversed { BACKGROUND } else { FOREGROUND })
    }

    fn paper(&self) -> Option<&str> {
        if self.reversed { Some(self.foreground.as_deref().unwrap_or(FOREGROUND)) } else { self.background.as_deref() }
    }

    /// Applies the parameters of one "select graphic rendition" sequence.
    fn select(&mut self, parameters: &str) {
        let mut codes = parameters.split([';', ':']).map(|code| code.parse::<u8>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                22 => self.bold = false,
                7 => self.reversed = true,
                27 => self.reversed = false,
                30..=37 => self.foreground = Some(BASIC[usize::from(code - 30)].to_owned()),
                38 => self.foreground = color(&mut codes),
                39 => self.foreground = None,
                40..=47 => self.background = Some(BASIC[usize::from(code - 40)].to_owned()),
                48 => self.background = color(&mut codes),
                49 => self.background = None,
                90..=97 => self.foreground = Some(BASIC[usize::from(code - 82)].to_owned()),
                100..=107 => self.background = Some(BASIC[usize::from(code - 92)].to_owned()),
                _ => {}
            }
        }
    }
}

/// A colour of the 256, or of 24 bits.
fn color(codes: &mut impl Iterator<Item = u8>) -> Option<String> {
    let hex = |r: u8, g: u8, b: u8| format!("#{r:02x}{g:02x}{b:02x}");
    match codes.next()? {
        2 => Some(hex(codes.next()?, codes.next()?, codes.next()?)),
        5 => Some(match codes.next()? {
            n @ 0..=15 => BASIC[usize::from(n)].to_owned(),
            n @ 16..=231 => {
                let step = |divisor: u8| CUBE[usize::from((n - 16) / divisor % 6)];
                hex(step(36), step(6), step(1))
            }
            n => {
                let grey = 8 + (n - 232) * 10;
                hex(grey, grey, grey)
            }
        }),
        _ => None,
    }
}

/// The characters of a line, each with its style. A style stays until another one is selected, also across lines.
fn cells(line: &str, style: &mut Style) -> Vec<(char, Style)> {
    let mut cells = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\x1b[") {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(sequence.len());
            if sequence[end..].starts_with('m') {
                style.select(&sequence[..end]);
            }
            rest = sequence.get(end + 1..).unwrap_or_default();
        } else {
            if !first.is_control() {
                cells.push((first, style.clone()));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    cells
}

/// The part of a cell that a block or line character fills: from the top, and how high.
fn block(c: char) -> Option<(f64, f64)> {
    match c {
        '\u{2581}'..='\u{2588}' => {
            let height = f64::from(c as u32 - 0x2580) / 8.0;
            Some((1.0 - height, height))
        }
        '─' => Some((0.47, 0.06)),
        _ => None,
    }
}

fn rectangle(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) -> std::fmt::Result {
    writeln!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{fill}"/>"#)
}

fn draw_line(svg: &mut String, cells: &[(char, Style)], top: f64) -> std::fmt::Result {
    let x = |column: usize| MARGIN + column as f64 * CELL.0;
    let mut start = 0;
    // Runs of one style and one sort: spaces, blocks of one height, or a word.
    let sort = |c: char| if c == ' ' { Some((0.0, 0.0)) } else { block(c) };
    while start < cells.len() {
        let (first, style) = &cells[start];
        let same = |(c, s): &&(char, Style)| sort(*c) == sort(*first) && s == style;
        let length = cells[start..].iter().take_while(same).count();
        let width = length as f64 * CELL.0;
        if let Some(paper) = style.paper() {
            rectangle(svg, (x(start), top), (width, CELL.1), paper)?;
        }
        match sort(*first) {
            Some((_, 0.0)) => {}
            Some((from, height)) => {
                rectangle(svg, (x(start), top + from * CELL.1), (width, height * CELL.1), style.ink())?;
            }
            None => {
                let word: String = cells[start..start + length].iter().map(|(c, _)| *c).collect();
                let word = word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                let weight = if style.bold { r#" font-weight="bold""# } else { "" };
                writeln!(
                    svg,
                    r#"<text x="{:.1}" y="{:.1}" fill="{}"{weight} textLength="{width:.1}">{word}</text>"#,
                    x(start),
                    top + CELL.1 * 0.75,
                    style.ink(),
                )?;
            }
        }
        start += length;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, title] = &arguments[..] else {
        return Err("usage: screen SCREEN.ansi OUT.svg TITLE".into());
    };
    let mut style = Style::default();
    let screen = fs::read_to_string(from)?;
    let lines: Vec<_> = screen.lines().map(|line| cells(line, &mut style)).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default() as f64;
    let (width, height) = (columns * CELL.0 + 2.0 * MARGIN, TITLE + lines.len() as f64 * CELL.1 + MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-size=\"{FONT_SIZE}\" \
         shape-rendering=\"crispEdges\" font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\">\n\
         <rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (light, n) in LIGHTS.iter().zip(0u8..) {
        writeln!(svg, r#"<circle cx="{}" cy="17" r="5.5" fill="{light}"/>"#, MARGIN + 6.0 + 18.0 * f64::from(n))?;
    }
    writeln!(svg, r##"<text x="{:.0}" y="22" fill="#9a9a9a" text-anchor="middle">{title}</text>"##, width / 2.0)?;
    for (line, n) in lines.iter().zip(0u32..) {
        draw_line(&mut svg, line, TITLE + f64::from(n) * CELL.1)?;
    }
    svg.push_str("</svg>\n");
    fs::write(to, svg)?;
    Ok(())
}
