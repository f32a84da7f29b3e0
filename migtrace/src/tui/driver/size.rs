//! The size of the terminal, also of one that reports none.

/// Columns and rows of a terminal that reports no size: those of a VT100, which serial consoles emulate.
const DEFAULT: (u16, u16) = (80, 24);

/// The size of the terminal on standard output, in columns and rows.
pub(crate) fn size() -> (u16, u16) {
    let window = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    let window = window.map_or((0, 0), |size| (size.ws_col, size.ws_row));
    choose(window, |name| std::env::var(name).ok())
}

/// Columns for text that is not for a terminal.
const WIDE: u16 = 120;

/// The width of text on standard output: that of the terminal, or of COLUMNS, or enough for most columns of a table.
pub(crate) fn width_of_text() -> u16 {
    let window = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    let columns = window.map_or(0, |size| size.ws_col);
    let variable = |name: &str| std::env::var(name).ok().or_else(|| Some(WIDE.to_string()));
    choose((columns, DEFAULT.1), variable).0.max(DEFAULT.0)
}

/// Each of the two by itself, since a terminal may know one of them. The kernel has 0 until a program sets a size, as on
/// serial lines and under `expect`. LINES and COLUMNS come next, as in curses.
fn choose((columns, rows): (u16, u16), variable: impl Fn(&str) -> Option<String>) -> (u16, u16) {
    let first = |reported: u16, name: &str, default: u16| match reported {
        0 => variable(name).and_then(|text| text.parse().ok()).filter(|n| *n > 0).unwrap_or(default),
        known => known,
    };
    (first(columns, "COLUMNS", DEFAULT.0), first(rows, "LINES", DEFAULT.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_without_a_size_has_that_of_the_environment_or_80x24() {
        let set = |name: &str| Some(if name == "LINES" { "50" } else { "132" }.to_owned());
        let wrong = |name: &str| Some(if name == "LINES" { "0" } else { "wide" }.to_owned());
        assert_eq!(choose((0, 0), |_| None), (80, 24));
        assert_eq!(choose((0, 0), set), (132, 50));
        assert_eq!(choose((0, 0), wrong), (80, 24));
        assert_eq!(choose((100, 0), set), (100, 50));
        assert_eq!(choose((1, 1), set), (1, 1), "what the terminal reports is its size");
    }
}
