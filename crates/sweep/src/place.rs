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
        let quoted = message.split('`').nth(1).unwrap_or_default();
        let key = quoted.rsplit('.').next().unwrap_or_default();
        self.at(self.line_of_key(label, key), &format!("method `{label}`: {message}"))
    }

    /// The line of a key: in the block of the method if it is there, else the only one that has it.
    fn line_of_key(&self, label: &str, key: &str) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        let lines: Vec<&str> = self.text.lines().collect();
        let named = |line: &str| line.contains("label") && line.contains(&format!("{label:?}"));
        let has = |line: &str| {
            line.match_indices(key).any(|(at, _)| {
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                let after = &line[at + key.len()..];
                !line[..at].ends_with(word) && !after.starts_with(word) && !line.trim_start().starts_with('#')
            })
        };
        if let Some(first) = lines.iter().position(|line| named(line)) {
            let rest = lines[first + 1..]
                .iter()
                .position(|line| line.starts_with('[') && !line.starts_with("[methods."));
            let last = rest.map_or(lines.len(), |rest| first + 1 + rest);
            if let Some(at) = lines[first..last].iter().position(|line| has(line)) {
                return Some(first + at + 1);
            }
        }
        let mut found = lines.iter().enumerate().filter(|(_, line)| has(line)).map(|(at, _)| at + 1);
        found.next().filter(|_| found.next().is_none())
    }

    /// The first line that has all of these words.
    pub fn with(&self, words: &[&str]) -> Option<usize> {
        self.nth_with(words, 0)
    }

    /// The line that has all of these words, after `skip` others that have the first of them.
    pub fn nth_with(&self, words: &[&str], skip: usize) -> Option<usize> {
        let lines = self.text.lines().enumerate().filter(|(_, line)| line.contains(words[0])).skip(skip);
        lines.into_iter().find(|(_, line)| words.iter().all(|word| line.contains(word))).map(|(at, _)| at + 1)
    }
}
