//! Quantities, the kernel's words and lines of text, written the same in every view.
//!
//! This is the lowest layer: it knows no events. It owns lines of text whose pieces have a tone ([`Line`]), their painting
//! for terminals ([`ansi`]), and words that several views share.

pub mod ansi;
mod caveat;
mod errno;
mod escape;
pub mod quantity;
mod reason;
mod span;
mod title;

pub use caveat::{a_machine, machine, missed};
pub use errno::returned;
pub use escape::escape_control;
pub use quantity::{count, duration, duration_f64, ms_since};
pub use reason::reason;
pub(crate) use span::line;
pub use span::{Line, Span, Tone};
pub use title::{heading, part};
