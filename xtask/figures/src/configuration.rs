//! The reference of every field of a run's configuration: names, types and documentation from the sources, defaults from what
//! a file without the field is read as.

mod types;

use std::fmt::Write;
use std::path::Path;

use proc_macro2::TokenStream;
use rtrl_train::RunConfig;

use types::{
    Content, Field, Held, Item, Shape, Variant, doc, fields, held, is_read, kebab, registered, serde,
};

use crate::place::root;

/// The crates that declare configurations, and the enums that a registry's macro declares, each with its file.
const CRATES: [&str; 4] = ["cells", "estimators", "tasks", "train"];
const REGISTRIES: [(&str, &str); 4] = [
    ("CellConfig", "crates/cells/src/registry.rs"),
    ("EstimatorConfig", "crates/estimators/src/registry.rs"),
    ("TaskConfig", "crates/tasks/src/registry.rs"),
    ("OptimizerConfig", "crates/train/src/optimizer/registry.rs"),
];

const HEAD: &str = "# Configuration\n\n<!-- Made by `cargo xtask figures` from the types. -->\n\n\
    Every field of a configuration of a training run, the file that `rtrl train` reads. An unknown field is refused. A default is \
    what a file without the field is read as; a field without a default is required.\n";

/// The page as Markdown.
///
/// # Errors
/// If a source cannot be read, a type is not found, or the source of a type and the parser disagree on whether a
/// field is required.
pub fn page() -> Result<String, String> {
    let mut page = Page { items: Vec::new(), inline: Vec::new(), seen: Vec::new(), text: HEAD.to_string() };
    for name in CRATES {
        page.read(&root().join("crates").join(name).join("src"))?;
    }
    for (name, file) in REGISTRIES {
        let tokens: TokenStream = read(&root().join(file))?.parse().map_err(|e| format!("{file}: {e}"))?;
        let mut variants = Vec::new();
        registered(&tokens.into_iter().collect::<Vec<_>>(), &mut Vec::new(), &mut variants)?;
        let shape = Shape::Tables("kind".to_string(), variants);
        page.items.push(Item { file: file.to_string(), name: name.to_string(), shape });
    }
    let config = page.find("RunFile", "")?;
    let base = page.sample_of(config)?;
    let toml::Value::Table(base) = base else { return Err("a configuration is a table".to_string()) };
    page.section(config, &[], &base)?;
    Ok(page.text)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

struct Page {
    items: Vec<Item>,
    /// The fields of variants that declare their own: [`Content::Fields`] is an index of this.
    inline: Vec<Vec<Field>>,
    /// Types that have a section, with its heading.
    seen: Vec<(usize, String)>,
    text: String,
}

impl Page {
    /// Adds every type of a folder that derives `Deserialize`.
    fn read(&mut self, folder: &Path) -> Result<(), String> {
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.read(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.display().to_string();
                let parsed = syn::parse_file(&read(&path)?).map_err(|error| format!("{file}: {error}"))?;
                for item in parsed.items {
                    let (name, shape) = match item {
                        syn::Item::Struct(item) if is_read(&item.attrs) => {
                            let all = serde(&item.attrs, "default").is_some();
                            (item.ident, Shape::Struct(fields(&item.fields, all)))
                        }
                        syn::Item::Enum(item) if is_read(&item.attrs) => {
                            (item.ident.clone(), self.enumeration(&item))
                        }
                        _ => continue,
                    };
                    self.items.push(Item { file: file.clone(), name: name.to_string(), shape });
                }
            }
        }
        Ok(())
    }

    fn enumeration(&mut self, item: &syn::ItemEnum) -> Shape {
        let variants = item.variants.iter().map(|variant| {
            self.inline.push(fields(&variant.fields, false));
            Variant {
                word: serde(&variant.attrs, "rename").unwrap_or_else(|| kebab(&variant.ident.to_string())),
                doc: doc(&variant.attrs),
                is_default: variant.attrs.iter().any(|a| a.path().is_ident("default")),
                content: Content::Fields(self.inline.len() - 1),
            }
        });
        let variants = variants.collect();
        match serde(&item.attrs, "tag") {
            Some(tag) => Shape::Tables(tag, variants),
            None => Shape::Words(variants),
        }
    }

    /// The index of the type that `name` means in `file`: the one declared there, or the only one of this name.
    fn find(&self, name: &str, file: &str) -> Result<usize, String> {
        let named: Vec<usize> = (0..self.items.len()).filter(|&at| self.items[at].name == name).collect();
        let here = named.iter().copied().find(|&at| self.items[at].file == file);
        match (here, named.as_slice()) {
            (Some(at), _) | (None, &[at]) => Ok(at),
            (None, found) => Err(format!("{file}: {} types are called {name}", found.len())),
        }
    }

    fn fields_of(&self, content: &Content) -> Result<(&[Field], &str), String> {
        match content {
            Content::Fields(at) => Ok((&self.inline[*at], "")),
            Content::Config(name) => match &self.items[self.find(name, "")?] {
                Item { shape: Shape::Struct(fields), file, .. } => Ok((fields, file)),
                _ => Err(format!("{name} is no struct")),
            },
        }
    }

    /// A value that a file may have for a type: its required fields alone, or its first variant.
    fn sample_of(&self, item: usize) -> Result<toml::Value, String> {
        let Item { file, shape, .. } = &self.items[item];
        match shape {
            Shape::Struct(fields) => Ok(self.sample_fields(fields, file)?.into()),
            Shape::Words(variants) => Ok(variants[0].word.clone().into()),
            Shape::Tables(tag, variants) => Ok(self.sample_variant(tag, &variants[0], file)?.into()),
        }
    }

    fn sample_variant(&self, tag: &str, variant: &Variant, file: &str) -> Result<toml::Table, String> {
        let (fields, own) = self.fields_of(&variant.content)?;
        let mut table = self.sample_fields(fields, if own.is_empty() { file } else { own })?;
        table.insert(tag.to_string(), variant.word.clone().into());
        Ok(table)
    }

    fn sample_fields(&self, fields: &[Field], file: &str) -> Result<toml::Table, String> {
        let required = fields.iter().filter(|field| field.required);
        required.map(|field| Ok((field.name.clone(), self.sample_field(field, file)?))).collect()
    }

    fn sample_field(&self, field: &Field, file: &str) -> Result<toml::Value, String> {
        let (held, name) = held(&field.kind)?;
        let value = match name.as_str() {
            "usize" | "u32" | "u64" => 1.into(),
            "f32" | "f64" => 0.5.into(),
            "bool" => true.into(),
            "String" | "PathBuf" => "x".into(),
            name => self.sample_of(self.find(name, file)?)?,
        };
        Ok(if held == Held::List { vec![value].into() } else { value })
    }

    /// Writes the section of a type that stands at `path`; `base` is a whole configuration with it.
    fn section(&mut self, item: usize, path: &[String], base: &toml::Table) -> Result<(), String> {
        let heading = if path.is_empty() { "The file".to_string() } else { path.join(": ") };
        self.seen.push((item, heading.clone()));
        let file = self.items[item].file.clone();
        let _ = write!(self.text, "\n## {heading}\n");
        match &self.items[item].shape {
            Shape::Struct(_) => {
                let content = Content::Config(self.items[item].name.clone());
                self.table(&content, path, base, &file)
            }
            Shape::Words(variants) => {
                for variant in variants {
                    let mut base = base.clone();
                    set(&mut base, path, variant.word.clone().into());
                    parse(&base)?;
                }
                let rows = variants.iter().map(|v| {
                    let default = if v.is_default { " (default)" } else { "" };
                    format!("| `\"{}\"`{default} | {} |\n", v.word, v.doc)
                });
                let rows: String = rows.collect();
                let _ = write!(self.text, "\n| value | meaning |\n|---|---|\n{rows}");
                Ok(())
            }
            Shape::Tables(tag, variants) => {
                let tag = tag.clone();
                let variants: Vec<(String, String, Content, toml::Table)> = variants
                    .iter()
                    .map(|v| {
                        Ok((
                            v.word.clone(),
                            v.doc.clone(),
                            v.content.clone(),
                            self.sample_variant(&tag, v, &file)?,
                        ))
                    })
                    .collect::<Result<_, String>>()?;
                for (word, doc, content, sample) in variants {
                    let mut base = base.clone();
                    set(&mut base, path, sample.into());
                    let tagged = format!("`{tag} = \"{word}\"`");
                    let doc = doc.strip_prefix(&format!("{tagged}: ")).unwrap_or(&doc);
                    let _ = write!(self.text, "\n### {heading}: {word}\n\n{tagged}: {doc}\n");
                    let file = match &content {
                        Content::Fields(_) => file.clone(),
                        Content::Config(_) => self.fields_of(&content)?.1.to_string(),
                    };
                    self.table(&content, path, &base, &file)?;
                }
                Ok(())
            }
        }
    }

    /// Writes the fields of the table at `path`, and then the sections of types that have none yet.
    fn table(
        &mut self,
        content: &Content,
        path: &[String],
        base: &toml::Table,
        file: &str,
    ) -> Result<(), String> {
        let (fields, _) = self.fields_of(content)?;
        if fields.is_empty() {
            return Ok(());
        }
        let parsed = parse(base)?;
        let here =
            path.iter().try_fold(&parsed, |value, key| value.get(key).or_else(|| value.get(0)?.get(key)));
        let here = here.map(|value| value.get(0).unwrap_or(value));
        let (mut rows, mut below) = (String::new(), Vec::new());
        for field in fields {
            let (held, name) = held(&field.kind)?;
            let inner = match name.as_str() {
                "usize" | "u32" | "u64" => "whole number".to_string(),
                "f32" | "f64" => "number".to_string(),
                "bool" => "`true` or `false`".to_string(),
                "String" => "text".to_string(),
                "PathBuf" => "path".to_string(),
                name => {
                    let item = self.find(name, file)?;
                    let inside = [path, std::slice::from_ref(&field.name)].concat();
                    let known =
                        self.seen.iter().find(|(seen, _)| *seen == item).map(|(_, heading)| heading.clone());
                    let heading = known.unwrap_or_else(|| {
                        if !below.iter().any(|(other, _, _)| *other == item) {
                            below.push((item, inside.clone(), self.sample_field(field, file)));
                        }
                        inside.join(": ")
                    });
                    format!("[{name}](#{name_of})", name = heading, name_of = slug(&heading))
                }
            };
            let kind = if held == Held::List { format!("list of {inner}") } else { inner };
            let mut without = base.clone();
            remove(&mut without, path, &field.name);
            if parse(&without).is_err() != field.required {
                return Err(format!("{}: `{}` is required, or it is not", path.join("."), field.name));
            }
            let written = here.and_then(|value| value.get(&field.name));
            // Whether the field reads the same with this value as without it.
            let mut is_default = |value: toml::Value| -> Result<bool, String> {
                at(&mut without, path).insert(field.name.clone(), value);
                Ok(parse(&without)? == parsed)
            };
            let default = match (field.required, written, &held) {
                (true, ..) => "required".to_string(),
                // A default that serialization leaves out is found by trial.
                (false, None, Held::Once) if !likely(&name).is_empty() => {
                    let mut found = None;
                    for value in likely(&name) {
                        let shown = format!("`{value}`");
                        found = found.or(is_default(value)?.then_some(shown));
                    }
                    let (path, name) = (path.join("."), &field.name);
                    found.ok_or_else(|| format!("{path}: `{name}` has a default that is not written"))?
                }
                (false, None, Held::List) if !is_default(toml::Value::Array(Vec::new()))? => {
                    "see there".to_string()
                }
                _ => self.default(written, &held, &name, file)?,
            };
            let _ = writeln!(rows, "| `{}` | {kind} | {default} | {} |", field.name, field.doc);
        }
        let _ = write!(self.text, "\n| field | type | default | |\n|---|---|---|---|\n{rows}");
        for (item, path, sample) in below {
            let mut base = base.clone();
            set(&mut base, &path, sample?);
            self.section(item, &path, &base)?;
        }
        Ok(())
    }

    /// A default in words, from the value that the field was read as. If serialization leaves it out, the value is
    /// the default of its type.
    fn default(
        &self,
        value: Option<&serde_json::Value>,
        held: &Held,
        name: &str,
        file: &str,
    ) -> Result<String, String> {
        use serde_json::Value;
        Ok(match value {
            Some(Value::Object(table)) => match table.iter().next() {
                Some((tag, Value::String(word))) if table.len() == 1 => format!("`{tag} = \"{word}\"`"),
                _ => "its defaults".to_string(),
            },
            Some(Value::Array(list)) if list.is_empty() => "none".to_string(),
            Some(Value::Null) => "none".to_string(),
            Some(value) => format!("`{value}`"),
            None if *held != Held::Once => "none".to_string(),
            None => match &self.items[self.find(name, file)?].shape {
                Shape::Struct(_) => "its defaults".to_string(),
                Shape::Words(variants) => format!("`\"{}\"`", of_default(variants)?),
                Shape::Tables(tag, variants) => format!("`{tag} = \"{}\"`", of_default(variants)?),
            },
        })
    }
}

fn of_default(variants: &[Variant]) -> Result<&str, String> {
    let found = variants.iter().find(|variant| variant.is_default);
    Ok(&found.ok_or("an enum without a default is left out of what is written")?.word)
}

/// The values of a type of numbers or of `bool` that a default may have without being written.
fn likely(name: &str) -> Vec<toml::Value> {
    match name {
        "usize" | "u32" | "u64" => vec![0.into()],
        "f32" | "f64" => vec![0.0.into()],
        "bool" => vec![false.into(), true.into()],
        _ => Vec::new(),
    }
}

/// The configuration as it is read, without a check of its values.
fn parse(table: &toml::Table) -> Result<serde_json::Value, String> {
    let config: RunConfig = table.clone().try_into().map_err(|error: toml::de::Error| error.to_string())?;
    serde_json::to_value(config).map_err(|error| error.to_string())
}

/// The table at `path`, which is made if it is missing; in a list, its first table.
fn at<'a>(table: &'a mut toml::Table, path: &[String]) -> &'a mut toml::Table {
    path.iter().fold(table, |table, key| {
        let value = table.entry(key).or_insert_with(|| toml::Table::new().into());
        let value = if value.is_array() { &mut value.as_array_mut().expect("a list")[0] } else { value };
        value.as_table_mut().expect("only tables have fields")
    })
}

/// Puts a value at `path`; where there is a list, as its only element.
fn set(table: &mut toml::Table, path: &[String], value: toml::Value) {
    let Some((last, above)) = path.split_last() else { return };
    let table = at(table, above);
    let is_list = table.get(last).is_some_and(toml::Value::is_array) && !value.is_array();
    table.insert(last.clone(), if is_list { vec![value].into() } else { value });
}

fn remove(table: &mut toml::Table, path: &[String], field: &str) {
    at(table, path).remove(field);
}

/// The anchor of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the page with each type's own `Default`, and with values written by hand.
    #[test]
    fn defaults_are_those_of_the_types() {
        let page = page().unwrap();
        let row = |heading: &str, field: &str| {
            let section = page
                .split("\n#")
                .find(|s| s.trim_start_matches('#').trim_start().starts_with(&format!("{heading}\n")));
            let section = section.unwrap_or_else(|| panic!("no section {heading}"));
            let row = section.lines().find(|line| line.starts_with(&format!("| `{field}` |")));
            row.unwrap_or_else(|| panic!("no {field} in {heading}")).split(" | ").nth(2).unwrap().to_string()
        };
        let copy = rtrl_tasks::CopyConfig::default();
        assert_eq!(row("task: copy", "spread"), format!("`{}`", copy.spread));
        assert_eq!(row("task: copy", "threshold"), format!("`{}`", copy.threshold));
        assert_eq!(row("task: copy", "layout"), "`\"echo\"`");
        assert_eq!(row("task: copy", "averaging"), "`\"all-positions\"`");
        assert_eq!(row("training", "log_every"), "`1000`");
        assert_eq!(row("training", "lanes"), "`1`");
        assert_eq!(row("task: table", "scale"), "`true`");
        assert_eq!(row("task: table", "missing_values"), "see there");
        assert_eq!(row("training", "steps"), "none");
        assert_eq!(row("layers: gru", "distribution"), "`\"uniform\"`");
        assert_eq!(row("The file", "divergence"), "`policy = \"stop\"`");
        assert_eq!(row("The file", "update"), "its defaults");
        assert_eq!(row("update", "schedule"), "`kind = \"constant\"`");
        assert_eq!(row("divergence: roll-back", "attempts"), "`5`");
        assert_eq!(row("optimizer: adam", "beta2"), "`0.999`");
        // A file has to name a rank, although the type has a default for programs.
        assert_eq!(row("estimator: ok", "rank"), "required");
        assert_eq!(row("estimator: ok", "seed"), format!("`{}`", rtrl_estimators::OkConfig::default().seed));
    }
}
