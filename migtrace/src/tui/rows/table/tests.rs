//! Order, search and CSV of a table of fruit.

use super::*;

struct Fruit(Vec<(&'static str, Option<u64>)>);

impl Table for Fruit {
    fn columns(&self) -> &'static [Column] {
        const { &[text("NAME", ""), number("COUNT", ""), number("MORE", "")] }
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
    fn text(&self, row: usize, column: usize) -> String {
        match self.value(row, column) {
            Value::Text(text) => text,
            Value::Number(n) => n.to_string(),
            Value::Missing => UNKNOWN.to_owned(),
        }
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
fn csv_has_what_is_known_in_the_order_shown() {
    let mut out = Vec::new();
    write_csv(&fruit(), &Choice::default(), "", &mut out).expect("memory");
    assert_eq!(String::from_utf8(out).expect("text"), "NAME,COUNT,MORE\nfig,9,9\napple,3,3\nplum,3,3\npear,,\n");
}
