//! `cargo xtask new`: writes a file that works, to be changed into one's own, and its line in the registry.

use std::path::{Path, PathBuf};

use crate::flags::{New, NewKind};
use crate::nightly::{Failure, root};

/// Where the file and the line of a new item go.
struct Place {
    /// Folder of the file.
    folder: &'static str,
    template: &'static str,
    /// The file that lists all items of the kind. The list begins with the line `opening` and ends at a `}` with
    /// the same indentation.
    registry: &'static str,
    opening: &'static str,
    /// The line in that list.
    line: &'static str,
    /// The commands that test the new item.
    tests: &'static [&'static str],
}

impl NewKind {
    fn place(self) -> Place {
        match self {
            Self::Cell => Place {
                folder: "crates/cells/src",
                template: include_str!("../templates/cell.rs"),
                registry: "crates/cells/src/registry.rs",
                opening: "$then! {",
                line: "/** `Template`: say here which cell. */ Template / template = Template, in template (Template);",
                tests: &[
                    "cargo test -p rtrl-estimators --test estimators controls",
                    "cargo test -p rtrl --test builder",
                ],
            },
            Self::Estimator => Place {
                folder: "crates/estimators/src",
                template: include_str!("../templates/estimator.rs"),
                registry: "crates/estimators/src/registry.rs",
                opening: "$then! {",
                line: "/** [`Template`](crate::Template): say here which rule. */ template: Template(TemplateConfig) as Template, Template;",
                tests: &["cargo test -p rtrl-estimators"],
            },
            Self::Task => Place {
                folder: "crates/tasks/src",
                template: include_str!("../templates/task.rs"),
                registry: "crates/tasks/src/registry.rs",
                opening: "$then! {",
                line: "/** [`TemplateTask`](crate::TemplateTask): say here which task. */ template: Template(TemplateConfig), TemplateTask;",
                tests: &["cargo test -p rtrl-tasks --test registry"],
            },
            Self::Experiment => Place {
                folder: "crates/reproduce/src",
                template: include_str!("../templates/experiment.rs"),
                registry: "crates/reproduce/src/lib.rs",
                opening: "catalogue! {",
                line: "template;",
                tests: &["cargo test -p rtrl-reproduce --lib", "cargo xtask reproduce template"],
            },
        }
    }
}

/// Writes the file of a new item, and its line.
///
/// # Errors
/// Status 2 if the name is taken or not valid; 1 if a file cannot be read or written.
pub fn run(flags: &New) -> Result<(), Failure> {
    let folder = flags.root.as_deref().unwrap_or_else(|| root());
    let name = words(&flags.name)?;
    let (snake, kebab) = (name.join("_"), name.join("-"));
    let camel: String = name.iter().map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    let named = |text: &str, small: &str| text.replace("Template", &camel).replace("template", small);
    let place = flags.kind.place();
    // In quotes stands the name that configurations and reports use; elsewhere it is a name in Rust.
    let quoted = |text: &str| {
        let text = text.replace("\"template\"", &format!("\"{kebab}\""));
        text.replace(&salt("template"), &salt(&snake))
    };
    let mut files: Vec<(PathBuf, String)> = vec![(
        folder.join(place.folder).join(&snake).with_extension("rs"),
        named(&quoted(place.template), &snake),
    )];
    if flags.kind == NewKind::Experiment {
        let path = folder.join("crates/reproduce/experiments").join(&kebab).with_extension("toml");
        files.push((path, include_str!("../templates/experiment.toml").to_string()));
    }
    for (path, _) in &files {
        if path.exists() || path.with_extension("").is_dir() {
            return Err((2, format!("{} exists: choose another name", path.display())));
        }
    }
    let registry = folder.join(place.registry);
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|e| (1, format!("{}: {e}", path.display())));
    let text = read(&registry)?;
    let taken = |name: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    if let Some(name) = [&snake, &camel].into_iter().find(|name| taken(name)) {
        return Err((2, format!("`{name}` stands in {} already: choose another name", registry.display())));
    }
    let text = with_line(&text, place.opening, &named(place.line, &snake))
        .ok_or_else(|| (1, format!("{} has no list `{}`", registry.display(), place.opening)))?;
    for (path, text) in files.iter().chain([&(registry.clone(), text)]) {
        std::fs::write(path, text).map_err(|error| (1, format!("{}: {error}", path.display())))?;
    }
    println!("wrote");
    files.iter().for_each(|(path, _)| println!("  {}", path.display()));
    println!("and a line in\n  {}", registry.display());
    println!("It works as it is. Make it your own, say in both what it is, and test it by");
    place.tests.iter().for_each(|test| println!("  {}", named(test, &kebab)));
    if flags.kind != NewKind::Experiment {
        println!("`cargo xtask figures` puts its fields into docs/CONFIGURATION.md");
    }
    Ok(())
}

/// The `SALT` of a new task, which keeps its draws apart from those of others: the first eight letters of its name
/// in hexadecimal.
fn salt(name: &str) -> String {
    let mut letters = name.bytes().chain(std::iter::repeat(b'_'));
    let pairs: Vec<_> =
        (0..4).map(|_| letters.by_ref().take(2).map(|b| format!("{b:02x}")).collect::<String>()).collect();
    format!("0x{}", pairs.join("_"))
}

/// The words of a name in lower case.
fn words(name: &str) -> Result<Vec<String>, Failure> {
    let words: Vec<String> = name.split(['-', '_']).map(str::to_string).collect();
    let good = |word: &String| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    // The name is also that of a module, so it must not be a keyword.
    let keyword = syn::parse_str::<syn::Ident>(&words.join("_")).is_err();
    if words.iter().all(good) && !keyword && words != ["template"] {
        return Ok(words);
    }
    let message = format!(
        "`{name}` is no name: use words of small letters and digits, such as `leaky` or `gated-unit`"
    );
    Err((2, message))
}

/// The text with a line added at the end of the list that begins with `opening`; `None` if there is no such list.
fn with_line(text: &str, opening: &str, line: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.trim_start() == opening)?;
    let indent = " ".repeat(lines[first].len() - lines[first].trim_start().len());
    let end = first + lines[first..].iter().position(|line| *line == format!("{indent}}}"))?;
    let line = format!("{indent}    {line}");
    lines.insert(end, &line);
    Some(lines.join("\n") + "\n")
}
