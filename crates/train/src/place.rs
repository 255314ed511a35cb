//! The place of a mistake in a configuration file.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the file.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}, column {}", self.name, self.line, self.column)
    }
}

impl Place {
    fn new(text: &str, name: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        Self {
            name: name.to_string(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|&c| c != '\n').count() + 1,
        }
    }

    /// Position of the field `path` or, if the file does not have that field, of its deepest ancestor in the file.
    /// If exactly one value below that equals `found`, the position of this value. Elements of lists are named by
    /// their numbers, which may be left out.
    pub(crate) fn of_field(text: &str, name: &str, path: &str, found: Option<&str>) -> Option<Self> {
        let entries = entries(text);
        let mut path = path;
        let section = loop {
            match entries.iter().find(|entry| entry.is_at(path)) {
                Some(entry) => break entry,
                None => path = path.rsplit_once('.')?.0,
            }
        };
        let inside = entries.iter().filter(|entry| entry.is_within(path));
        let exact = found.and_then(|found| only(inside.filter(|entry| entry.is(text, found))));
        Some(Self::new(text, name, exact.unwrap_or(section).start()))
    }

    /// The first character of a file.
    pub(crate) fn beginning(name: &str) -> Self {
        Self { name: name.to_string(), line: 1, column: 1 }
    }
}

/// Place and message of an error of the TOML library. The message names the field where it can be found.
pub(crate) fn syntax(text: &str, name: &str, error: &toml::de::Error) -> (Place, String) {
    let span = error.span().unwrap_or(0..0);
    let mut message = plain(error.message());
    let entries = entries(text);
    let exact = entries.iter().find(|entry| entry.value == span);
    // For a table with a `kind` the library reports only the place of the table.
    let within = entries.iter().filter(|entry| exact.is_none_or(|outer| entry.is_within(&outer.path)));
    let (mut at, mut field) = (span.start, exact);
    if let Some(unknown) = quoted(&message, "unknown field") {
        let key = |entry: &&Entry| entry.path.rsplit('.').next() == Some(unknown);
        at = only(within.filter(key)).map_or(at, |entry| entry.key.start);
    } else if let Some(missing) = quoted(&message, "missing field") {
        // For a list the library does not report which element lacks the field.
        let element =
            |entry: &&Entry| exact.is_some_and(|list| entry.name == list.name && entry.path != list.path);
        let lacks =
            |entry: &&Entry| !entries.iter().any(|other| other.path == format!("{}.{missing}", entry.path));
        at = only(within.filter(element).filter(lacks)).map_or(at, Entry::start);
    } else if let Some(found) = quoted(&message, "invalid")
        .or_else(|| quoted(&message, "unknown variant"))
        .filter(|_| !exact.is_some_and(|e| e.leaf))
    {
        let found = only(within.filter(|entry| entry.is(text, found)));
        (at, field) = found.map_or((at, field), |entry| (entry.value.start, Some(entry)));
    }
    let of_a_value = message.starts_with("invalid") || message.starts_with("unknown variant");
    if let Some(field) = field.filter(|_| of_a_value) {
        message = format!("`{}`: {message}", field.name);
    }
    let place = Place::new(text, name, at);
    (place, message)
}

/// A message of the TOML library, with the names of Rust types replaced by plain words.
fn plain(message: &str) -> String {
    let mut message = message.to_string();
    for word in ["usize", "u64", "u32"] {
        message = message.replace(&format!("expected {word}"), "expected a whole number from 0 on");
    }
    message = message.replace("expected f64", "expected a number");
    match message.split_once("expected internally tagged enum") {
        Some((before, _)) => format!("{before}expected a table that says which kind it is"),
        None => message,
    }
}

/// The first quoted text in a message that begins with `start`.
fn quoted<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    let rest = message.strip_prefix(start)?;
    let open = rest.find(['`', '"'])?;
    let (quote, rest) = (rest[open..].chars().next()?, &rest[open + 1..]);
    Some(&rest[..rest.find(quote)?])
}

/// The first kind or policy of a file that is not a text, and what is wrong with it. (Serde would take a number as the
/// index of a variant.)
pub(crate) fn nameless_kind(text: &str, name: &str) -> Option<(Place, String)> {
    let is_kind =
        |entry: &&Entry| ["kind", "policy"].contains(&entry.name.rsplit('.').next().unwrap_or_default());
    let written = |entry: &Entry| text.get(entry.value.clone()).unwrap_or_default();
    let entries = entries(text);
    let entry = entries.iter().filter(is_kind).find(|entry| !written(entry).starts_with(['"', '\'']))?;
    let message = format!("`{}` must be a name in quotes, found `{}`", entry.name, written(entry));
    Some((Place::new(text, name, entry.start()), message))
}

/// The only element of an iterator; `None` if there are none or several.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// A field of a file, or an element of a list.
struct Entry {
    /// The names of the enclosing tables and of the field, separated by dots, with the indices of lists.
    path: String,
    /// The path without the indices of lists.
    name: String,
    key: Range<usize>,
    value: Range<usize>,
    leaf: bool,
}

impl Entry {
    fn is_at(&self, path: &str) -> bool {
        self.path == path || self.name == path
    }

    /// Whether the entry is the field at `path`, or inside it.
    fn is_within(&self, path: &str) -> bool {
        let within =
            |own: &str| own.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        within(&self.path) || within(&self.name)
    }

    /// Where messages place the entry: at the value of a leaf, else at the key, since the fields of a table may be
    /// all over the file.
    fn start(&self) -> usize {
        if self.leaf { self.value.start } else { self.key.start }
    }

    /// Whether the entry is a leaf with the value `found`. Numbers are compared as numbers, however they are
    /// written.
    fn is(&self, text: &str, found: &str) -> bool {
        let written = text.get(self.value.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let number = |text: &str| text.replace('_', "").parse::<f64>().ok();
        let equal = match (number(written), number(found)) {
            (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
            _ => written == found,
        };
        self.leaf && equal
    }
}

/// All fields of a file, each before the fields inside it; none if the file is not TOML.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        collect(table.get_ref(), None, &mut entries);
    }
    entries
}

fn collect(table: &DeTable<'_>, outer: Option<&Entry>, entries: &mut Vec<Entry>) {
    for (key, value) in table {
        let own = key.get_ref().to_string();
        let (path, name) = match outer {
            Some(outer) => (format!("{}.{own}", outer.path), format!("{}.{own}", outer.name)),
            None => (own.clone(), own),
        };
        collect_value(key.span(), value, path, name, entries);
    }
}

fn collect_value(
    key: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    path: String,
    name: String,
    entries: &mut Vec<Entry>,
) {
    let inner = value.get_ref();
    let leaf = inner.as_table().is_none() && inner.as_array().is_none();
    let entry = Entry { path, name, key, value: value.span(), leaf };
    let at = entries.len();
    if let Some(table) = inner.as_table() {
        collect(table, Some(&entry), entries);
    }
    for (index, element) in inner.as_array().into_iter().flatten().enumerate() {
        let path = format!("{}.{index}", entry.path);
        collect_value(element.span(), element, path, entry.name.clone(), entries);
    }
    entries.insert(at, entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "task = { kind = \"copy\" }\n[[layers]]\nkind = \"gru\"\nunits = 8\nsparsity = 0.5\n\
                        [[layers]]\nkind = \"gru\"\nunits = 1_2\n";

    fn line(path: &str, found: Option<&str>) -> Option<(usize, usize)> {
        Place::of_field(TEXT, "x", path, found).map(|place| (place.line, place.column))
    }

    #[test]
    fn fields_are_found_by_path_and_value() {
        assert_eq!(line("task.kind", None), Some((1, 17)));
        assert_eq!(line("task.what", None), Some((1, 1)));
        assert_eq!(line("layers", Some("12")), Some((8, 9)));
        assert_eq!(line("layers", Some("0.50")), Some((5, 12)));
        assert_eq!(line("layers.1.units", None), Some((8, 9)));
        assert_eq!(line("layers.1.sparsity", None), Some((6, 1)));
        // Both layers have a field `units`; the second has this value.
        assert_eq!(line("layers.units", Some("12")), Some((8, 9)));
        // Two values match, or none: the place is the first layer.
        assert_eq!(line("layers", Some("gru")).map(|(line, _)| line), Some(2));
        assert_eq!(line("layers", Some("7")).map(|(line, _)| line), Some(2));
        assert_eq!(line("training.lanes", None), None);
        assert_eq!(Place::of_field("no toml", "x", "task", None), None);
    }
}
