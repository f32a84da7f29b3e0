//! Compares the layers in docs/architecture.md with the uses between source files, from their `use` lines and paths.

mod graph;
mod source;

use graph::Graph;
use source::Tree;

/// Names of crates that only some folders may use, and these folders.
const ALLOWED_FOLDERS: &[(&str, &[&str])] = &[
    ("aya", &["live/"]),
    ("aya_log", &["live/"]),
    ("aya_obj", &["live/"]),
    ("ratatui", &["tui/view/", "tui/driver/", "tui/tests"]),
    ("plotters", &["plot/"]),
    ("parquet", &["trace/"]),
];

/// Returns the table of layers in docs/architecture.md, from the top down: each line lists modules of `migtrace/src`.
fn layers() -> Vec<Vec<&'static str>> {
    let docs = include_str!("../../../docs/architecture.md");
    let table = docs.lines().skip_while(|line| *line != "```layers").skip(1).take_while(|line| *line != "```");
    let layers: Vec<Vec<&str>> = table.map(|line| line.split_whitespace().collect()).collect();
    assert!(layers.len() > 1, "docs/architecture.md has no table of layers");
    layers
}

/// Returns the number of the layer that contains this module, from the top.
fn layer(layers: &[Vec<&str>], module: &str) -> usize {
    let found = layers.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| panic!("{module} is in no layer: add it to the table in docs/architecture.md"))
}

/// Returns the first component of a path, without `.rs`: `trace` for `trace/write/merge.rs`.
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
    assert!(upward.is_empty(), "{} uses of the same or a higher layer:\n{}", upward.len(), upward.join("\n"));
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
fn crates_are_used_in_their_folders_only() {
    let strays: Vec<String> = Tree::read()
        .crates()
        .filter_map(|(file, name)| {
            let (_, folders) = ALLOWED_FOLDERS.iter().find(|(limited, _)| *limited == name)?;
            let is_allowed = folders.iter().any(|folder| file.starts_with(folder));
            (!is_allowed).then(|| format!("{file} uses {name}"))
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
