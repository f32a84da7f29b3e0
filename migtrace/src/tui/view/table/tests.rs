//! Order, columns and CSV of a table of fruit.

use super::*;

struct Fruit(Vec<(&'static str, Option<u64>)>);

impl Table for Fruit {
    fn columns(&self) -> Vec<Column> {
        vec![text("NAME", 8, 0, ""), number("COUNT", 5, 1, ""), number("MORE", 5, 2, "")]
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn key(&self, row: usize) -> RowKey {
        RowKey::Name(self.0[row].0.to_owned())
    }
    fn value(&self, row: usize, column: usize) -> Value {
        let (name, count) = self.0[row];
        match column {
            0 => Value::Text(name.to_owned()),
            _ => count.map_or(Value::Missing, |n| Value::Number(n as f64)),
        }
    }
    fn cell(&self, row: usize, column: usize) -> (String, Tone) {
        let (name, count) = self.0[row];
        if column == 0 { (name.to_owned(), Tone::Plain) } else { known(count.map(|n| n.to_string()), Tone::Plain) }
    }
    fn default_sort(&self) -> (usize, bool) {
        (1, true)
    }
    fn empty(&self) -> String {
        "no fruit".to_owned()
    }
}

fn fruit() -> Fruit {
    Fruit(vec![("apple", Some(3)), ("pear", None), ("fig", Some(9)), ("plum", Some(3))])
}

#[test]
fn what_is_not_known_is_last_in_either_order() {
    let order_by = |sort| order(&fruit(), &Choice { sort, selected: None }, "");
    assert_eq!(order_by(None), [2, 0, 3, 1]);
    assert_eq!(order_by(Some((1, false))), [0, 3, 2, 1]);
    assert_eq!(order_by(Some((0, false))), [0, 2, 1, 3]);
    assert_eq!(order(&fruit(), &Choice::default(), "P"), [0, 3, 1]);
}

#[test]
fn a_selection_stays_with_its_row() {
    let choice = Choice { selected: Some(RowKey::Name("plum".into())), sort: None };
    let table = fruit();
    assert_eq!(position(&table, &order(&table, &choice, ""), &choice), 2);
    assert_eq!(position(&table, &order(&table, &choice, "fig"), &choice), 0);
}

#[test]
fn columns_go_by_rank() {
    let columns = fruit().columns();
    let shown = |width| fit(&columns, width).into_iter().map(|(c, ..)| c).collect::<Vec<_>>();
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

#[test]
fn csv_has_what_is_known_in_the_order_shown() {
    let mut out = Vec::new();
    write_csv(&fruit(), &Choice::default(), "", &mut out).expect("memory");
    assert_eq!(String::from_utf8(out).expect("text"), "NAME,COUNT,MORE\nfig,9,9\napple,3,3\nplum,3,3\npear,,\n");
}
