//! Draws the state: the frame, and in it one view. Rows become cells, and state becomes places for the mouse.

pub(crate) mod canvas;
mod comparison;
mod content;
pub(crate) mod frame;
mod heat_map;
mod help;
pub(crate) mod hit;
mod latency;
mod lazy;
mod log;
mod matrix;
mod nodes;
mod overview;
mod page;
mod probes;
mod processes;
mod regions;
mod scroll;
mod spark;
mod table;
pub mod theme;
mod threads;
