//! The modules of a crate as its files spell them: names, `use` declarations and paths, read from tokens, so that what
//! stands inside macros counts too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A comment line above the `mod` lines of a file: a module may import only those above it.
const ORDERED: &str = "// Modules stand in the order in which they may import each other.";

/// A `.rs` file.
pub(super) struct File {
    /// Its path below `src` without the extension, with `/`.
    pub name: String,
    pub path: PathBuf,
    /// The module that it is.
    pub module: usize,
    /// Whether its modules stand in the order in which they may import each other.
    pub ordered: bool,
}

/// A module; several of them may lie in one file.
pub(super) struct Module {
    pub file: usize,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    /// The children that are files, in the order of their `mod` lines.
    pub order: Vec<usize>,
    /// The names of its items.
    pub defines: BTreeSet<String>,
    /// Its `use` declarations: the name in this module, and the path.
    pub uses: Vec<(String, Vec<String>)>,
    /// The paths of its `use …::*`.
    pub globs: Vec<Vec<String>>,
    /// Every other path of two words or more in its code.
    pub paths: Vec<Vec<String>>,
    /// The words that stand alone in its code.
    pub words: BTreeSet<String>,
    /// The words of the list that it hands to a macro of its own, as in `for_each!(then)`.
    pub listed: BTreeSet<String>,
    /// The folder of its children.
    folder: PathBuf,
}

/// All modules of a package that are reached from `lib.rs` and `main.rs`, except those under `cfg(test)`.
#[derive(Default)]
pub(super) struct Source {
    pub files: Vec<File>,
    pub modules: Vec<Module>,
    /// The bodies of macros, by name.
    macros: BTreeMap<String, Vec<TokenTree>>,
}

impl Source {
    /// Reads the package in `folder`.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let mut source = Self::default();
        // Macros are collected first: one may be called in a file that is read before its own.
        let mut folders = vec![folder.join("src")];
        while let Some(folder) = folders.pop() {
            let entries =
                std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    source.collect_macros(&tokens(&path)?.1);
                }
            }
        }
        for root in ["lib", "main"] {
            let path = folder.join("src").join(root).with_extension("rs");
            if path.exists() {
                source.file(path, None, folder.join("src"))?;
            }
        }
        let src = folder.join("src");
        for file in &mut source.files {
            let name = file.path.strip_prefix(&src).unwrap_or(&file.path).with_extension("");
            file.name = name.to_string_lossy().replace('\\', "/");
        }
        Ok(source)
    }

    fn collect_macros(&mut self, tokens: &[TokenTree]) {
        for at in 0..tokens.len() {
            match (&tokens[at], tokens.get(at + 3)) {
                (TokenTree::Ident(word), Some(TokenTree::Group(body))) if word == "macro_rules" => {
                    self.macros.extend(ident(tokens, at + 2).map(|name| (name, trees(body.stream()))));
                }
                (TokenTree::Group(group), _) => self.collect_macros(&trees(group.stream())),
                _ => {}
            }
        }
    }

    /// Adds the file at `path` as a module with its children in `folder`.
    fn file(&mut self, path: PathBuf, parent: Option<usize>, folder: PathBuf) -> Result<usize, String> {
        let (text, tokens) = tokens(&path)?;
        let ordered = text.lines().any(|line| line.trim() == ORDERED);
        let (file, module) = (self.files.len(), self.modules.len());
        self.files.push(File { name: String::new(), path, module, ordered });
        self.module(file, parent, folder);
        self.walk(&tokens, module)?;
        Ok(module)
    }

    fn module(&mut self, file: usize, parent: Option<usize>, folder: PathBuf) -> usize {
        self.modules.push(Module {
            file,
            parent,
            children: BTreeMap::new(),
            order: Vec::new(),
            defines: BTreeSet::new(),
            uses: Vec::new(),
            globs: Vec::new(),
            paths: Vec::new(),
            words: BTreeSet::new(),
            listed: BTreeSet::new(),
            folder,
        });
        self.modules.len() - 1
    }

    /// The file of the child `name` of a module: in the folder of its children, or, for a macro with `#[path]`, beside it.
    fn child_file(&self, module: usize, name: &str, beside: bool) -> Option<(PathBuf, PathBuf)> {
        let own = self.modules[module].folder.clone();
        let path = &self.files[self.modules[module].file].path;
        let folders = [Some(own), path.parent().filter(|_| beside).map(Path::to_path_buf)];
        folders.into_iter().flatten().find_map(|folder| {
            let inner = folder.join(name);
            let paths = [inner.with_extension("rs"), inner.join("mod.rs")];
            Some((paths.into_iter().find(|path| path.is_file())?, inner))
        })
    }

    fn walk(&mut self, tokens: &[TokenTree], module: usize) -> Result<(), String> {
        let mut at = 0;
        while at < tokens.len() {
            at = self.step(tokens, at, module)?;
        }
        Ok(())
    }

    /// Takes what begins at `at`; returns where the next thing begins.
    fn step(&mut self, tokens: &[TokenTree], at: usize, module: usize) -> Result<usize, String> {
        let word = match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' => return Ok(after_attribute(tokens, at)),
            TokenTree::Group(group) => {
                self.walk(&trees(group.stream()), module)?;
                return Ok(at + 1);
            }
            TokenTree::Ident(word) => word.to_string(),
            _ => return Ok(at + 1),
        };
        let next = ident(tokens, at + 1);
        match (word.as_str(), next) {
            ("use", _) if !is_punct(tokens, at + 1, '<') => {
                let end = (at..tokens.len()).find(|&i| is_punct(tokens, i, ';')).unwrap_or(tokens.len());
                self.declaration(&tokens[at + 1..end], Vec::new(), module);
                return Ok(end + 1);
            }
            ("mod", Some(name)) if is_punct(tokens, at + 2, ';') => {
                let Some((path, folder)) = self.child_file(module, &name, false) else {
                    return Err(format!("there is no file of module `{name}`"));
                };
                self.child(module, name, path, folder)?;
                return Ok(at + 3);
            }
            ("mod", Some(name)) => {
                if let Some(TokenTree::Group(group)) = tokens.get(at + 2) {
                    let folder = self.modules[module].folder.join(&name);
                    let inner = self.module(self.modules[module].file, Some(module), folder);
                    self.modules[module].children.insert(name, inner);
                    self.walk(&trees(group.stream()), inner)?;
                    return Ok(at + 3);
                }
            }
            ("struct" | "enum" | "union" | "trait" | "type" | "const" | "static" | "fn", Some(name))
                if name != "_" =>
            {
                self.modules[module].defines.insert(name);
                return Ok(at + 2);
            }
            ("macro_rules", _) => {
                self.modules[module].defines.extend(ident(tokens, at + 2));
                return Ok(at + 3);
            }
            _ if is_punct(tokens, at + 1, '!') && self.macros.contains_key(&word) => {
                if let Some(TokenTree::Group(arguments)) = tokens.get(at + 2) {
                    let arguments = trees(arguments.stream());
                    let declares = |name: &str| self.macros.get(name).is_some_and(|body| declares(body));
                    let list = match arguments.as_slice() {
                        // In `for_each!(then)` the list stands in the macro that is called, and goes to `then`.
                        [TokenTree::Ident(then)] if self.macros.contains_key(&then.to_string()) => {
                            let list = self.macros[&word].clone();
                            words(&list, &mut self.modules[module].listed);
                            declares(&then.to_string()).then_some(list)
                        }
                        _ => declares(&word).then_some(arguments),
                    };
                    if let Some(list) = list {
                        self.declared(&list, module)?;
                    }
                }
                return Ok(at + 2);
            }
            _ => {}
        }
        let (path, end) = path(tokens, at);
        let goes_on = at > 0 && (is_punct(tokens, at - 1, ':') && at > 1 && is_punct(tokens, at - 2, ':'));
        match path.len() {
            _ if goes_on => {}
            1 => self.modules[module].words.extend(path),
            _ => self.modules[module].paths.push(path),
        }
        Ok(end)
    }

    fn child(&mut self, module: usize, name: String, path: PathBuf, folder: PathBuf) -> Result<(), String> {
        let child = self.file(path, Some(module), folder)?;
        self.modules[module].children.insert(name, child);
        self.modules[module].order.push(child);
        Ok(())
    }

    /// The modules that the call of a macro declares: every word that names a file which nothing else has
    /// declared. What the rest of the crate sees of them is made by the macro, so the calling module counts as
    /// their importer.
    fn declared(&mut self, arguments: &[TokenTree], module: usize) -> Result<(), String> {
        for tree in arguments {
            match tree {
                TokenTree::Group(group) => self.declared(&trees(group.stream()), module)?,
                TokenTree::Ident(word) => {
                    let name = word.to_string();
                    let Some((path, folder)) = self.child_file(module, &name, true) else { continue };
                    if self.files.iter().all(|file| file.path != path) {
                        self.child(module, name.clone(), path, folder)?;
                        self.modules[module].globs.push(vec!["self".to_string(), name]);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A `use` declaration, or the part of one behind `prefix`.
    fn declaration(&mut self, tokens: &[TokenTree], mut prefix: Vec<String>, module: usize) {
        let mut at = 0;
        while let Some(tree) = tokens.get(at) {
            match tree {
                TokenTree::Group(group) => {
                    for part in trees(group.stream())
                        .split(|tree| matches!(tree, TokenTree::Punct(p) if p.as_char() == ','))
                    {
                        self.declaration(part, prefix.clone(), module);
                    }
                    return;
                }
                // A variable of a macro stands for names of its list, which is looked up by itself.
                TokenTree::Punct(punct) if punct.as_char() == '$' => return,
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    self.modules[module].globs.push(prefix);
                    return;
                }
                TokenTree::Ident(word) if word == "as" => break,
                // `a::{self}` is `a`.
                TokenTree::Ident(word) if word == "self" && !prefix.is_empty() => {}
                TokenTree::Ident(word) => prefix.push(word.to_string()),
                _ => {}
            }
            at += 1;
        }
        let name = ident(tokens, at + 1).filter(|_| at < tokens.len()).or_else(|| prefix.last().cloned());
        self.modules[module].uses.extend(name.map(|name| (name, prefix)));
    }
}

/// The text of a file, and its tokens.
fn tokens(path: &Path) -> Result<(String, Vec<TokenTree>), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    // Comments are no tokens. The lexer would refuse a "#!" line.
    let tokens: TokenStream = text.parse().map_err(|error| failed(&error))?;
    Ok((text, trees(tokens)))
}

fn trees(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

fn is_punct(tokens: &[TokenTree], at: usize, c: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

fn ident(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

/// The words joined by `::` from `at` on, and where they end.
fn path(tokens: &[TokenTree], at: usize) -> (Vec<String>, usize) {
    let (mut path, mut end) = (Vec::new(), at);
    while let Some(word) = ident(tokens, end) {
        path.push(word);
        end += 1;
        if !(is_punct(tokens, end, ':') && is_punct(tokens, end + 1, ':') && ident(tokens, end + 2).is_some())
        {
            break;
        }
        end += 2;
    }
    (path, end)
}

/// Collects every word.
fn words(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => words(&trees(group.stream()), found),
            TokenTree::Ident(word) => found.extend([word.to_string()]),
            _ => {}
        }
    }
}

/// Whether a macro declares modules by names that it is given.
fn declares(body: &[TokenTree]) -> bool {
    (0..body.len()).any(|at| match &body[at] {
        TokenTree::Group(group) => declares(&trees(group.stream())),
        TokenTree::Ident(word) => word == "mod" && is_punct(body, at + 1, '$'),
        _ => false,
    })
}

/// The index behind the attribute at `at`; behind its whole item if the attribute is `cfg(test)`.
fn after_attribute(tokens: &[TokenTree], at: usize) -> usize {
    let group = at + 1 + usize::from(is_punct(tokens, at + 1, '!'));
    let Some(TokenTree::Group(attribute)) = tokens.get(group) else { return at + 1 };
    let words: String = attribute.stream().to_string().split_whitespace().collect();
    if attribute.delimiter() != Delimiter::Bracket || !words.starts_with("cfg(test") {
        return group + 1;
    }
    let ends = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let item = tokens[group + 1..].iter().position(ends);
    item.map_or(tokens.len(), |length| group + 2 + length)
}
