//! The layers of the source tree (docs/architecture.md), read from its `use` lines and paths: which file needs which.

mod graph;
mod source;

use graph::Graph;
use source::Tree;

/// Crates that belong to one place: the crate's name, and the folders that may use it.
const AT_HOME: &[(&str, &[&str])] = &[
    ("aya", &["live/"]),
    ("aya_log", &["live/"]),
    ("aya_obj", &["live/"]),
    ("ratatui", &["tui/view/", "tui/driver/", "tui/tests"]),
    ("plotters", &["plot/"]),
    ("parquet", &["trace/"]),
];

/// The table of layers in docs/architecture.md, from the top down: each line names modules of `migtrace/src`.
fn layers() -> Vec<Vec<&'static str>> {
    let docs = include_str!("../../../docs/architecture.md");
    let table = docs.lines().skip_while(|line| *line != "```layers").skip(1).take_while(|line| *line != "```");
    let layers: Vec<Vec<&str>> = table.map(|line| line.split_whitespace().collect()).collect();
    assert!(layers.len() > 1, "docs/architecture.md has no table of layers");
    layers
}

/// Number of the layer that has this module, from the top.
fn layer(layers: &[Vec<&str>], module: &str) -> usize {
    let found = layers.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| panic!("{module} is in no layer: add it to the table in docs/architecture.md"))
}

/// The folder or file at the top that a path such as `trace/write/merge.rs` is in.
fn top(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

#[test]
fn no_file_uses_its_own_layer_or_one_above() {
    let (tree, layers) = (Tree::read(), layers());
    let upward: Vec<String> = tree
        .edges()
        .filter(|(from, to)| top(from) != top(to) && layer(&layers, top(from)) >= layer(&layers, top(to)))
        .map(|(from, to)| format!("{from} uses {to}"))
        .collect();
    assert!(upward.is_empty(), "{} uses go up:\n{}", upward.len(), upward.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_loop() {
    let loops: Vec<String> = Graph::new(Tree::read().edges()).loops().iter().map(|files| files.join(", ")).collect();
    assert!(loops.is_empty(), "{} loops:\n{}", loops.len(), loops.join("\n"));
}

#[test]
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
