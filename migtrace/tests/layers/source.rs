//! The source files of the library, and the files and crates that each of them uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{
    Attribute, File, Item, ItemMod, ItemUse, Path as RustPath, UseTree, Visibility,
    visit::{self, Visit},
};

/// A path from the crate's root: `["trace", "write"]`.
type Module = Vec<String>;

/// One file.
struct Source {
    /// Relative to `src`.
    path: String,
    module: Module,
    /// Paths in the file that begin with `crate`, `self`, `super` or a child's name, from the crate's root.
    own_paths: BTreeSet<Module>,
    /// Names of other crates.
    crates: BTreeSet<String>,
    /// Re-exported name -> path of its definition.
    reexports: BTreeMap<String, Module>,
}

/// All files except tests.
pub(crate) struct Tree {
    sources: Vec<Source>,
    files: BTreeMap<Module, String>,
}

impl Tree {
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        find(&root, &root, &mut paths);
        let sources: Vec<Source> = paths.into_iter().map(|path| Source::read(&root, path)).collect();
        let files = sources.iter().map(|source| (source.module.clone(), source.path.clone())).collect();
        Self { sources, files }
    }

    /// Returns pairs of files: the first uses the second.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (String, String)> {
        self.sources.iter().flat_map(|source| {
            let targets: BTreeSet<&str> = source.own_paths.iter().filter_map(|path| self.file(path)).collect();
            let others = targets.into_iter().filter(|target| *target != source.path);
            others.map(|target| (source.path.clone(), target.to_owned())).collect::<Vec<_>>()
        })
    }

    /// Returns all folders; `""` is the root.
    pub(crate) fn folders(&self) -> BTreeSet<String> {
        let parents =
            self.sources.iter().flat_map(|source| source.path.match_indices('/').map(|(at, _)| &source.path[..=at]));
        parents.map(str::to_owned).chain([String::new()]).collect()
    }

    /// Returns pairs of files or folders directly in `folder`: the first uses the second.
    pub(crate) fn edges_inside(&self, folder: &str) -> Vec<(String, String)> {
        let place = |path: &str| {
            let rest = path.strip_prefix(folder)?;
            Some(format!("{folder}{}", rest.split_inclusive('/').next().unwrap_or(rest)))
        };
        let places = self.edges().filter_map(|(from, to)| Some((place(&from)?, place(&to)?)));
        places.filter(|(from, to)| from != to).collect()
    }

    /// Returns pairs of a file and a crate that it uses.
    pub(crate) fn crates(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.iter().flat_map(|source| source.crates.iter().map(|name| (&*source.path, &**name)))
    }

    /// Returns the file that defines the item at a path.
    fn file(&self, path: &[String]) -> Option<&str> {
        let at = (1..=path.len()).rev().find(|&len| self.files.contains_key(&path[..len]))?;
        let (module, rest) = path.split_at(at);
        let source = self.sources.iter().find(|source| source.module == module)?;
        match rest.first().and_then(|name| source.reexports.get(name)) {
            Some(target) if *target != path => self.file(target),
            _ => Some(&source.path),
        }
    }
}

/// Returns whether a file contains only tests.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "testkit") || path.ends_with("tests.rs")
}

fn find(root: &Path, dir: &Path, paths: &mut Vec<String>) {
    let mut entries: Vec<_> =
        fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let relative = path.strip_prefix(root).expect("a path in src").to_string_lossy().into_owned();
        if path.is_dir() {
            if relative != "cli" {
                find(root, &path, paths);
            }
        } else if relative.ends_with(".rs") && !is_test(&relative) && relative != "main.rs" && relative != "lib.rs" {
            paths.push(relative);
        }
    }
}

impl Source {
    fn read(root: &Path, path: String) -> Self {
        let mut module: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let file = syn::parse_file(&fs::read_to_string(root.join(&path)).expect("a file")).expect("Rust");
        let mut names = Names { children: children(&file), module, ..Names::default() };
        names.visit_file(&file);
        let Names { module, own_paths, crates, reexports, .. } = names;
        Self { path, module, own_paths, crates, reexports }
    }
}

/// Returns the names of the modules that a file declares.
fn children(file: &File) -> BTreeSet<String> {
    let module = |item: &Item| if let Item::Mod(item) = item { Some(item.ident.to_string()) } else { None };
    file.items.iter().filter_map(module).collect()
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<RustPath>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// Collects the paths of one file.
#[derive(Default)]
struct Names {
    module: Module,
    children: BTreeSet<String>,
    own_paths: BTreeSet<Module>,
    crates: BTreeSet<String>,
    reexports: BTreeMap<String, Module>,
}

impl Names {
    /// Returns the path from the crate's root; `None` for a path into another crate, or a local name.
    fn module_at(&self, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let base = match &**first {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let base = self.module[..self.module.len().checked_sub(up)?].to_vec();
                return Some([&base[..], &path[up..]].concat());
            }
            child if self.children.contains(child) => [&self.module[..], &[child.to_owned()]].concat(),
            _ => return None,
        };
        Some([&base[..], rest].concat())
    }

    fn add(&mut self, path: &[String]) {
        match self.module_at(path) {
            Some(own) => drop(self.own_paths.insert(own)),
            None => drop(path.first().map(|name| self.crates.insert(name.clone()))),
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        for (path, name) in leaves(&item.tree, &[]) {
            match self.module_at(&path) {
                // A re-export alone is not a use.
                Some(own) if is_reexport => drop(self.reexports.insert(name, own)),
                _ => self.add(&path),
            }
        }
    }

    fn visit_path(&mut self, path: &'ast RustPath) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.add(&parts);
        }
        visit::visit_path(self, path);
    }
}

/// Returns every path of a `use`, with the name that it brings into scope.
fn leaves(tree: &UseTree, before: &[String]) -> Vec<(Vec<String>, String)> {
    let with = |name: String| [before, &[name]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(path.ident.to_string())),
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, before)).collect(),
        UseTree::Name(name) if name.ident == "self" => {
            vec![(before.to_vec(), before.last().cloned().unwrap_or_default())]
        }
        UseTree::Name(name) => vec![(with(name.ident.to_string()), name.ident.to_string())],
        UseTree::Rename(rename) => vec![(with(rename.ident.to_string()), rename.rename.to_string())],
        UseTree::Glob(_) => vec![(before.to_vec(), "*".to_owned())],
    }
}
