//! Where a mistake is in the file of an experiment.

use rtrl_train::{ConfigError, Place};

/// The file of an experiment.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// Its name in messages.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl File {
    /// A message with the file and, if it is known, the line.
    pub fn at(&self, line: Option<usize>, message: &str) -> String {
        match line {
            Some(line) => format!("{}, line {line}: {message}", self.name),
            None => format!("{}: {message}", self.name),
        }
    }

    /// An error of the TOML library in one line.
    pub fn syntax(&self, error: &toml::de::Error) -> String {
        let at = error.span().map_or(0, |span| span.start);
        let before = self.text.get(..at).unwrap_or(&self.text);
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        let place = Place { name: self.name.clone(), line: before.matches('\n').count() + 1, column };
        format!("{place}: {}", error.message().lines().next().unwrap_or_default())
    }

    /// A mistake in the configuration of a method, which is put together from several tables of the file. Its place in the whole means
    /// nothing to the reader: the line is that of the key in the file.
    pub fn of_method(&self, label: &str, error: &ConfigError) -> String {
        let message = match error {
            ConfigError::Syntax { message, .. } => message.clone(),
            ConfigError::At { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        let path = message.split('`').nth(1).unwrap_or_default();
        self.in_method(label, self.line_of_field(label, path), &message)
    }

    /// A message about a method, at a line or, if that is not known, at the method's label.
    pub fn in_method(&self, label: &str, line: Option<usize>, message: &str) -> String {
        let line = line.or_else(|| self.with(&["label", &format!("{label:?}")]));
        self.at(line, &format!("method `{label}`: {message}"))
    }

    /// The line of a field such as `task.kind`: one that has all of its names, in the block of the method or else the only one; or the line
    /// of its last name below the header of its table. `None` if it cannot be told.
    fn line_of_field(&self, label: &str, path: &str) -> Option<usize> {
        let names: Vec<&str> = path.split('.').filter(|name| name.parse::<usize>().is_err()).collect();
        let (key, tables) = names.split_last().filter(|(key, _)| !key.is_empty())?;
        let lines: Vec<&str> = self.text.lines().collect();
        let has = |line: &str, name: &str| {
            line.match_indices(name).any(|(at, _)| {
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                let after = &line[at + name.len()..];
                !line[..at].ends_with(word) && !after.starts_with(word) && !line.trim_start().starts_with('#')
            })
        };
        let all = |line: &str| names.iter().all(|name| has(line, name));
        if let Some(first) = self.with(&["label", &format!("{label:?}")]) {
            let rest = lines[first..]
                .iter()
                .position(|line| line.starts_with('[') && !line.starts_with("[methods."));
            let last = rest.map_or(lines.len(), |rest| first + rest);
            if let Some(at) = lines[first - 1..last].iter().position(|line| all(line)) {
                return Some(first + at);
            }
        }
        let mut found = lines.iter().enumerate().filter(|(_, line)| all(line)).map(|(at, _)| at + 1);
        if let Some(only) = found.next() {
            return found.next().is_none().then_some(only);
        }
        let table = tables.last()?;
        let header = lines.iter().position(|line| line.starts_with('[') && has(line, table))?;
        let mut below = lines[header + 1..].iter().take_while(|line| !line.starts_with('['));
        below.position(|line| has(line, key)).map(|at| header + at + 2)
    }

    /// The first line that has all of these words.
    pub fn with(&self, words: &[&str]) -> Option<usize> {
        self.nth_with(words, 0)
    }

    /// The line that has all of these words, after `skip` others that have the first of them.
    pub fn nth_with(&self, words: &[&str], skip: usize) -> Option<usize> {
        let mut lines = self.text.lines().enumerate().filter(|(_, line)| line.contains(words[0])).skip(skip);
        lines.find(|(_, line)| words.iter().all(|word| line.contains(word))).map(|(at, _)| at + 1)
    }
}
