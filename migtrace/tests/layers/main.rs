//! The layers of the source tree (docs/architecture.md), read from its `use` lines and paths: which file needs which.

mod graph;
mod source;

use graph::Graph;
use source::Tree;

/// Folders and files at the top of `migtrace/src`, from the bottom up. What is in a line may use lines above it.
const LAYERS: &[&[&str]] = &[
    &["clock", "container", "text", "units"],
    &["event"],
    &["recording"],
    &["decode"],
    &["counts"],
    &["trace"],
    &["filter"],
    &["model"],
    &["live"],
    &["compare", "doctor", "export", "log", "plot", "summary"],
    &["metrics"],
    &["serve", "tui"],
];

/// Pairs of files that use each other, and why each is left so.
const PAIRS: &[(&str, &str)] = &[];

/// Crates that belong to one place: the crate's name, and the folders that may use it.
const AT_HOME: &[(&str, &[&str])] = &[
    ("aya", &["live/"]),
    ("aya_log", &["live/"]),
    ("aya_obj", &["live/"]),
    ("ratatui", &["tui/view/", "tui/driver/", "tui/tests"]),
    ("plotters", &["plot/"]),
    ("parquet", &["trace/"]),
];

fn layer(name: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&name))
        .unwrap_or_else(|| panic!("{name} is in no layer: add it to LAYERS, and to docs/architecture.md"))
}

/// The folder or file at the top that a path such as `trace/write/merge.rs` is in.
fn top(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

#[test]
#[ignore = "not true yet"]
fn no_file_uses_a_layer_above_its_own() {
    let tree = Tree::read();
    let upward: Vec<String> = tree
        .edges()
        .filter(|(from, to)| top(from) != top(to) && layer(top(from)) <= layer(top(to)))
        .map(|(from, to)| format!("{from} uses {to}"))
        .collect();
    assert!(upward.is_empty(), "{} uses go up:\n{}", upward.len(), upward.join("\n"));
}

#[test]
#[ignore = "not true yet"]
fn no_files_use_each_other_in_a_loop() {
    let loops = Graph::new(Tree::read().edges()).loops();
    let unknown: Vec<String> = loops
        .iter()
        .filter(|files| !matches!(&files[..], [a, b] if PAIRS.contains(&(a, b))))
        .map(|files| files.join(", "))
        .collect();
    assert!(unknown.is_empty(), "{} loops:\n{}", unknown.len(), unknown.join("\n"));
    assert!(loops.len() >= PAIRS.len(), "a pair of PAIRS is no loop any more: take it out");
}

#[test]
#[ignore = "not true yet"]
fn no_folders_use_each_other_in_a_loop() {
    let tree = Tree::read();
    let loops: Vec<String> = tree
        .folders()
        .into_iter()
        .flat_map(|folder| Graph::new(tree.edges_inside(&folder)).loops())
        .filter(|places| places.iter().any(|place| !place.ends_with(".rs")))
        .map(|places| places.join(", "))
        .collect();
    assert!(loops.is_empty(), "{} loops:\n{}", loops.len(), loops.join("\n"));
}

#[test]
#[ignore = "not true yet"]
fn crates_are_used_where_they_belong() {
    let strays: Vec<String> = Tree::read()
        .crates()
        .filter_map(|(file, name)| {
            let (_, homes) = AT_HOME.iter().find(|(at_home, _)| *at_home == name)?;
            let is_home = homes.iter().any(|home| file.starts_with(home));
            (!is_home).then(|| format!("{file} uses {name}"))
        })
        .collect();
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn a_loop_is_found() {
    let edges = [("a.rs", "b.rs"), ("b.rs", "c.rs"), ("c.rs", "a.rs"), ("c.rs", "d.rs")];
    assert_eq!(
        Graph::new(edges.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned()))).loops(),
        [["a.rs", "b.rs", "c.rs"]]
    );
}
