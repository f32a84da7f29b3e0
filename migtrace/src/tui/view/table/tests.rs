//! Which columns of a table of fruit fit, and which rows are shown.

use super::*;
use crate::tui::{
    rows::table::{number, text},
    state::selection::RowKey,
};

struct Fruit;

impl Table for Fruit {
    fn columns(&self) -> &'static [Column] {
        const { &[text("NAME", ""), number("COUNT", ""), number("MORE", "")] }
    }
    fn len(&self) -> usize {
        0
    }
    fn key(&self, row: usize) -> RowKey {
        RowKey::Number(row as u64)
    }
    fn value(&self, _: usize, _: usize) -> Value {
        Value::Missing
    }
    fn text(&self, _: usize, _: usize) -> String {
        String::new()
    }
    fn default_sort(&self) -> (usize, bool) {
        (1, true)
    }
    fn empty(&self) -> String {
        "no fruit".to_owned()
    }
}

impl Cells for Fruit {
    fn widths(&self) -> &'static [Width] {
        const { &[width(8, 0), width(5, 1), width(5, 2)] }
    }
    fn tone(&self, _: usize, _: usize, _: &Value) -> Tone {
        Tone::Plain
    }
}

#[test]
fn columns_go_by_rank() {
    let shown = |width| fit(&Fruit, width).into_iter().map(|(c, ..)| c).collect::<Vec<_>>();
    assert_eq!(shown(20), [0, 1, 2]);
    assert_eq!(shown(19), [0, 1]);
    assert_eq!(shown(3), [0]);
}

#[test]
fn the_selected_row_is_always_shown() {
    for selected in 0..100 {
        let first = first_shown(selected, 100, 7);
        assert!((first..first + 7).contains(&selected) && first + 7 <= 100);
    }
    assert_eq!(first_shown(2, 3, 7), 0);
}
