//! `cargo xtask imports`: which file of a crate imports which.

mod source;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use source::Source;

/// The imports of a crate by file. A name that another file only re-exports counts as imported from the file that defines
/// it; a `mod` line is no import, a re-export is one.
pub struct Graph {
    /// The folder of the package, as its manifest calls it.
    pub name: String,
    /// Paths of the files below `src`, without their extension.
    pub files: Vec<String>,
    /// Importing and imported file, as indices.
    pub imports: BTreeSet<(usize, usize)>,
    /// The imports against the order of modules, in files that say that their modules have one.
    pub against: BTreeSet<(usize, usize)>,
    /// Whether any file says that its modules have an order.
    pub ordered: bool,
}

/// What a path leads to.
enum Target {
    Item(usize),
    Module(usize),
}

impl Target {
    /// The module that defines the item. A module alone is nothing; what is taken from it is a path of its own.
    fn item(self) -> Option<usize> {
        match self {
            Self::Item(found) => Some(found),
            Self::Module(_) => None,
        }
    }
}

impl Graph {
    /// Reads the package in `folder`.
    ///
    /// # Errors
    /// If a file of it cannot be read or is not Rust.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let manifest = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
        let table: toml::Table = text.parse().map_err(|e| format!("{}: {e}", manifest.display()))?;
        let name = table["package"]["name"].as_str().unwrap_or_default().to_string();
        let source = Source::read(folder)?;
        let resolver = Resolver { source: &source, name: name.replace('-', "_") };
        let imports = resolver.imports();
        let against = imports.iter().copied().filter(|&(a, b)| resolver.is_against(a, b)).collect();
        Ok(Self {
            name,
            files: source.files.iter().map(|file| file.name.clone()).collect(),
            imports,
            against,
            ordered: source.files.iter().any(|file| file.ordered),
        })
    }

    /// Files that import each other in a circle, each circle sorted: the strongly connected components of more than one file.
    #[must_use]
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let n = self.files.len();
        let reached = |from: usize| {
            let (mut seen, mut queue) = (vec![false; n], vec![from]);
            while let Some(at) = queue.pop() {
                for &(_, next) in self.imports.range((at, 0)..(at + 1, 0)) {
                    if !std::mem::replace(&mut seen[next], true) {
                        queue.push(next);
                    }
                }
            }
            seen
        };
        let reached: Vec<Vec<bool>> = (0..n).map(reached).collect();
        let mut circles = Vec::new();
        for (a, from) in reached.iter().enumerate() {
            let members: Vec<usize> = (0..n).filter(|&b| from[b] && reached[b][a]).collect();
            if members.first() == Some(&a) {
                let mut names: Vec<&str> = members.iter().map(|&b| self.files[b].as_str()).collect();
                names.sort_unstable();
                circles.push(names);
            }
        }
        circles
    }

    /// The imports against the order, in words.
    #[must_use]
    pub fn against_order(&self) -> Vec<String> {
        self.against.iter().map(|&(a, b)| format!("{} imports {}", self.files[a], self.files[b])).collect()
    }

    fn summary(&self) -> String {
        let circles = self.circles();
        let mut text = format!("{}: {} files, {} imports", self.name, self.files.len(), self.imports.len());
        match circles.as_slice() {
            [] => text += ", no circle",
            _ => {
                let sizes: Vec<_> = circles.iter().map(|circle| circle.len().to_string()).collect();
                let _ = write!(text, ", circles of {} files", sizes.join(" and "));
            }
        }
        match self.ordered {
            true => {
                let _ = write!(text, ", {} imports against the order", self.against.len());
            }
            false => text += ", no order declared",
        }
        for circle in circles {
            let _ = write!(text, "\n  circle: {}", circle.join(", "));
        }
        for import in self.against_order() {
            let _ = write!(text, "\n  against the order: {import}");
        }
        text
    }

    /// What each file imports, a line for each.
    fn listing(&self) -> String {
        let of = |(at, name): (usize, &String)| {
            let imported: Vec<&str> = self
                .imports
                .range((at, 0)..(at + 1, 0))
                .map(|&(_, imported)| self.files[imported].as_str())
                .collect();
            format!("  {name}: {}", if imported.is_empty() { "-".to_string() } else { imported.join(", ") })
        };
        self.files.iter().enumerate().map(of).collect::<Vec<_>>().join("\n")
    }

    /// The graph in the language of Graphviz.
    fn dot(&self) -> String {
        let mut text = format!("digraph \"{}\" {{\n", self.name);
        for &(a, b) in &self.imports {
            let _ = writeln!(text, "  \"{}\" -> \"{}\";", self.files[a], self.files[b]);
        }
        text + "}"
    }
}

/// Finds the file of a name.
struct Resolver<'a> {
    source: &'a Source,
    /// The crate's name in code.
    name: String,
}

impl Resolver<'_> {
    fn imports(&self) -> BTreeSet<(usize, usize)> {
        let mut imports = BTreeSet::new();
        for (at, module) in self.source.modules.iter().enumerate() {
            // Of the names that `use a::*` imports, those count that occur in the module.
            let globs =
                module.globs.iter().filter_map(|path| match self.resolve(at, path, &mut Vec::new())? {
                    Target::Module(from) if from != at => Some(from),
                    _ => None,
                });
            let starred = globs.flat_map(|from| {
                let words = module.words.iter().filter(|word| !module.defines.contains(*word));
                words.filter_map(move |word| self.member(from, std::slice::from_ref(word), &mut Vec::new()))
            });
            let starred = starred.filter_map(Target::item);
            let listed = module.listed.iter().filter_map(|word| self.only(word));
            let named = module.uses.iter().map(|(_, path)| path).chain(&module.paths);
            let named = named.filter_map(|path| self.resolve(at, path, &mut Vec::new())?.item());
            let files = named.chain(starred).chain(listed).map(|found| self.source.modules[found].file);
            imports.extend(files.filter(|&file| file != module.file).map(|file| (module.file, file)));
        }
        imports
    }

    /// What a path in a module leads to; `None` if it leads out of the crate.
    fn resolve(&self, at: usize, path: &[String], seen: &mut Vec<(usize, String)>) -> Option<Target> {
        let modules = &self.source.modules;
        let mut module = match path.first()?.as_str() {
            "crate" => {
                let mut root = at;
                while let Some(parent) = modules[root].parent {
                    root = parent;
                }
                root
            }
            "self" => at,
            "super" => modules[at].parent?,
            // `main.rs` calls the library by the name of the crate; the root of the library is module 0.
            name if name == self.name && !modules[at].children.contains_key(name) => 0,
            _ => return self.member(at, path, seen),
        };
        let mut rest = &path[1..];
        while rest.first().is_some_and(|word| word == "super") {
            module = modules[module].parent?;
            rest = &rest[1..];
        }
        if rest.is_empty() {
            return Some(Target::Module(module));
        }
        Some(
            self.member(module, rest, seen).unwrap_or_else(|| Target::Item(self.elsewhere(module, &rest[0]))),
        )
    }

    /// What a path below a module leads to. `seen` holds the names being resolved, so that re-exports in a circle
    /// end.
    fn member(&self, module: usize, path: &[String], seen: &mut Vec<(usize, String)>) -> Option<Target> {
        let (name, rest) = path.split_first()?;
        let found = &self.source.modules[module];
        if let Some(&child) = found.children.get(name) {
            if !rest.is_empty() {
                let inside = self.member(child, rest, seen);
                return Some(inside.unwrap_or_else(|| Target::Item(self.elsewhere(child, &rest[0]))));
            }
            // A function may have the name of its module.
            if !found.uses.iter().any(|(own, _)| own == name) {
                return Some(Target::Module(child));
            }
        }
        if found.defines.contains(name) {
            return Some(Target::Item(module));
        }
        if seen.contains(&(module, name.clone())) {
            return None;
        }
        seen.push((module, name.clone()));
        for (_, path) in found.uses.iter().filter(|(own, _)| own == name) {
            let path = [path, rest].concat();
            if let Some(target) = self.resolve(module, &path, seen) {
                return Some(target);
            }
        }
        found.globs.iter().find_map(|glob| match self.resolve(module, glob, seen)? {
            Target::Module(from) if from != module => self.member(from, path, seen),
            _ => None,
        })
    }

    /// The module of a name that a macro brings into `module`: the only one that defines it, or `module` itself.
    fn elsewhere(&self, module: usize, name: &str) -> usize {
        self.only(name).unwrap_or(module)
    }

    /// The only module that defines a name.
    fn only(&self, name: &str) -> Option<usize> {
        let modules = 0..self.source.modules.len();
        let mut found = modules.filter(|&at| self.source.modules[at].defines.contains(name));
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether a file imports another against the order of the modules that they lie in.
    fn is_against(&self, importing: usize, imported: usize) -> bool {
        let modules = &self.source.modules;
        let above = |file: usize| {
            let mut chain = vec![self.source.files[file].module];
            while let Some(parent) = modules[chain[chain.len() - 1]].parent {
                chain.push(parent);
            }
            chain.reverse();
            chain
        };
        let (a, b) = (above(importing), above(imported));
        let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        // There is no order if one of them lies in the other, or if they have no parent in common.
        let (Some(parent), Some(a), Some(b)) =
            (same.checked_sub(1).map(|at| a[at]), a.get(same), b.get(same))
        else {
            return false;
        };
        let place = |child: &usize| modules[parent].order.iter().position(|other| other == child);
        let ordered = self.source.files[modules[parent].file].ordered;
        ordered && place(a).zip(place(b)).is_some_and(|(a, b)| a < b)
    }
}

/// Folders of all packages with a `src` in the workspace at `root`.
///
/// # Errors
/// If its folders cannot be read.
pub fn packages(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut folders = ["benches", "benches/counts", "xtask", "xtask/figures", "xtask/imports"]
        .map(|folder| root.join(folder))
        .to_vec();
    for group in ["crates", "examples"] {
        let group = root.join(group);
        let entries = std::fs::read_dir(&group).map_err(|e| format!("{}: {e}", group.display()))?;
        folders.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    folders.retain(|folder| folder.join("src").is_dir() && folder.join("Cargo.toml").is_file());
    folders.sort();
    Ok(folders)
}

/// Prints the graph of the crate `name`, or a summary of all crates of the workspace in `root`; with `dot` for Graphviz.
///
/// # Errors
/// If there is no such crate or it cannot be read.
pub fn print(root: &Path, name: Option<&str>, dot: bool) -> Result<(), String> {
    let mut graphs =
        packages(root)?.iter().map(|folder| Graph::read(folder)).collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = name {
        graphs.retain(|graph| graph.name == name || graph.name.strip_prefix("rtrl-") == Some(name));
        if graphs.is_empty() {
            return Err(format!("there is no crate `{name}` in {}", root.display()));
        }
    }
    for graph in &graphs {
        match (dot, name) {
            (true, _) => println!("{}", graph.dot()),
            (false, None) => println!("{}", graph.summary()),
            (false, Some(_)) => println!("{}\n{}", graph.summary(), graph.listing()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_imports_against_the_order_are_found() {
        let folder = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        let circle = Graph::read(&folder("circle")).unwrap();
        assert_eq!(circle.circles(), [["listed", "plain"]]);
        let names = |&(a, b): &(usize, usize)| (circle.files[a].as_str(), circle.files[b].as_str());
        let imports: Vec<_> = circle.imports.iter().map(names).filter(|(a, _)| *a != "lib").collect();
        assert_eq!(imports, [("listed", "plain"), ("plain", "listed")]);
        let order = Graph::read(&folder("order")).unwrap();
        assert!(order.circles().is_empty() && circle.against_order().is_empty());
        assert_eq!(order.against_order(), ["first imports second"]);
    }
}
