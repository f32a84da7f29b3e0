//! Colours and signs by meaning.
//!
//! The colours are those of the terminal's 256 that come near the palette of Okabe and Ito, which people with any colour
//! vision can distinguish. Colour is never the only sign.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

use crate::text::Tone;

/// A set of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Palette {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// No colours, only bold, dim and reversed.
    None,
}

/// How the screen looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    pub palette: Palette,
    /// Use only ASCII.
    pub ascii: bool,
}

/// Levels of a heat map, from little to much, as cividis has them: dark to bright on dark, bright to dark on light.
const HEAT_DARK: [u8; 8] = [17, 18, 24, 60, 102, 143, 185, 227];
const HEAT_LIGHT: [u8; 8] = [230, 222, 179, 144, 102, 60, 24, 17];
/// Bars of one character, by how far they are filled.
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Theme {
    #[must_use]
    pub fn style(&self, tone: Tone) -> Style {
        let plain = Style::new();
        let color = |dark, light| match self.palette {
            Palette::Dark => plain.fg(Color::Indexed(dark)),
            Palette::Light => plain.fg(Color::Indexed(light)),
            Palette::None => plain,
        };
        match tone {
            Tone::Plain => plain,
            Tone::Dim => match self.palette {
                Palette::None => plain.add_modifier(Modifier::DIM),
                _ => color(246, 242),
            },
            Tone::Strong => plain.add_modifier(Modifier::BOLD),
            Tone::Heading | Tone::Syscall => color(74, 25).add_modifier(Modifier::BOLD),
            Tone::Key => color(214, 130).add_modifier(Modifier::BOLD),
            Tone::Good => color(36, 29),
            Tone::Warn => color(214, 130),
            Tone::Bad => color(203, 160).add_modifier(Modifier::BOLD),
            Tone::Remote => color(175, 126),
            Tone::Bar => color(74, 25),
            Tone::Selected => plain.add_modifier(Modifier::REVERSED),
        }
    }

    /// The colour of a cell of a heat map, between 0 and 1. `is_read`: its text is to be read; else it has the same colour.
    #[must_use]
    pub fn heat(&self, share: f64, is_read: bool) -> Style {
        let level = level(share, 8);
        if level == 0 {
            return Style::new();
        }
        let (colors, bright) = match self.palette {
            Palette::Dark => (HEAT_DARK, level > 4),
            Palette::Light => (HEAT_LIGHT, level < 4),
            Palette::None => return Style::new(),
        };
        let color = Color::Indexed(colors[level - 1]);
        let text = if bright { Color::Indexed(16) } else { Color::Indexed(231) };
        Style::new().bg(color).fg(if is_read { text } else { color })
    }

    /// A character for a cell of a heat map, for terminals without colours.
    #[must_use]
    pub fn shade(&self, share: f64) -> char {
        [' ', '░', '▒', '▓', '█'][level(share, 4)]
    }

    /// A character that fills its cell to `share`, between 0 and 1, and any share above 0 visibly.
    #[must_use]
    pub fn fill(&self, share: f64) -> char {
        LEVELS[level(share, 8)]
    }

    /// The character that replaces another one if only ASCII is wanted.
    #[must_use]
    pub fn plain(&self, c: char) -> char {
        if !self.ascii || c.is_ascii() {
            return c;
        }
        match c {
            'µ' => 'u',
            '…' => '~',
            '─' | '━' | '╌' => '-',
            '│' | '├' | '└' => '|',
            '▸' | '→' => '>',
            '●' | '■' => '*',
            '↑' | '▲' => '^',
            '↓' | '▼' => 'v',
            '·' => '.',
            '▁' | '░' => '.',
            '▂' | '▒' => ':',
            '▃' => '-',
            '▄' => '=',
            '▅' | '▓' => '+',
            '▆' => '*',
            '▇' => '%',
            '█' => '#',
            _ => '?',
        }
    }
}

/// Which of `levels` a share is; 0 for nothing.
fn level(share: f64, levels: usize) -> usize {
    if share <= 0.0 || share.is_nan() { 0 } else { ((share * levels as f64).ceil() as usize).clamp(1, levels) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen() {
        let theme = Theme::default();
        assert_eq!([0.0, 0.001, 0.5, 1.0, 7.0].map(|share| theme.fill(share)), [' ', '▁', '▄', '█', '█']);
        assert_eq!((theme.heat(0.0, true), theme.shade(0.0)), (Style::new(), ' '));
        assert_ne!((theme.heat(0.001, true), theme.shade(0.001)), (Style::new(), ' '));
    }

    #[test]
    fn without_colours_there_are_none() {
        let theme = Theme { palette: Palette::None, ascii: true };
        for tone in [Tone::Dim, Tone::Key, Tone::Good, Tone::Warn, Tone::Bad, Tone::Remote, Tone::Bar, Tone::Heading] {
            assert_eq!((theme.style(tone).fg, theme.style(tone).bg), (None, None), "{tone:?}");
        }
        assert!("µ…─│▸●↑↓·▁█é".chars().all(|c| theme.plain(c).is_ascii()));
    }
}
