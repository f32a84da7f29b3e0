//! Loops in a directed graph.

use std::collections::{BTreeMap, BTreeSet};

/// For each node, the nodes that it uses.
#[derive(Default)]
pub(crate) struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    pub(crate) fn new(edges: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut graph = Self::default();
        for (from, to) in edges {
            graph.0.entry(from).or_default().insert(to);
        }
        graph
    }

    /// Returns the sets of nodes that all reach each other, in order of their names.
    pub(crate) fn loops(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> = self.0.keys().map(|node| (&**node, self.reached(node))).collect();
        let mut found = BTreeSet::new();
        for (node, reached) in &reach {
            if reached.contains(node) {
                let back = |other: &&&str| reach.get(**other).is_some_and(|reached| reached.contains(node));
                found.insert(reached.iter().filter(back).map(|&other| other.to_owned()).collect::<Vec<String>>());
            }
        }
        found.into_iter().collect()
    }

    fn reached(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(node) = next.pop() {
            for to in self.0.get(node).into_iter().flatten() {
                if reached.insert(&**to) {
                    next.push(to);
                }
            }
        }
        reached
    }
}
