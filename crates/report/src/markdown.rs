//! The report as Markdown, for terminals and reviews: the same claims, tables and numbers, with the figures as files.

use std::fmt::Write as _;

use super::html::facts;
use super::model::{Align, Report, Section, Table};
use super::stats::Digest;
use super::tabular;
use super::text::{ends, notes};

/// The whole report.
pub(super) fn render(report: &Report, digests: &[Vec<Digest<'_>>]) -> String {
    let mut text = format!("# {}\n\n", escape(&report.title));
    let (profile, runs) = (escape(&report.profile), tabular::runs(report));
    add(&mut text, &format!("Profile **{profile}**{runs}, by {}.", code(&report.command)));
    if let Some(claims) = tabular::claim_table(report) {
        add(&mut text, "## Claims and verdicts");
        add(&mut text, &table(&claims));
        let standing = tabular::claims(report).into_iter().filter(|(_, claim)| !claim.conditions.is_empty());
        for (_, claim) in standing {
            add(&mut text, &table(&tabular::condition_table(claim)));
        }
    }
    for (experiment, digests) in report.experiments.iter().zip(digests) {
        section(&mut text, experiment, digests);
    }
    add(&mut text, "## Machine and versions");
    let facts: Vec<_> = facts(&report.environment)
        .iter()
        .map(|(term, value)| format!("* **{term}**: {}", escape(value)))
        .collect();
    add(&mut text, &facts.join("\n"));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn section(text: &mut String, section: &Section, digests: &[Digest<'_>]) {
    add(text, &format!("## {}", escape(&section.name)));
    add(text, &escape(&section.question));
    for paragraph in &section.setup {
        add(text, &escape(paragraph));
    }
    for digest in digests {
        let figure = digest.figure;
        let (caption, file) = (escape(&figure.caption), format!("figures/{}", figure.id));
        add(text, &format!("![{caption}]({file}.svg)"));
        add(text, &format!("**{caption}** {} [Data]({file}.csv).", escape(&notes(digest))));
        add(text, &table(&ends(digest)));
    }
    for numbers in &section.tables {
        add(text, &table(numbers));
    }
    if !section.caveats.is_empty() {
        add(text, "### Caveats");
        let items: Vec<_> = section.caveats.iter().map(|c| format!("* {}", escape(c))).collect();
        add(text, &items.join("\n"));
    }
    if !section.runs.is_empty() {
        add(text, "### Runs");
        add(text, &table(&tabular::run_table(&section.runs)));
    }
}

fn add(text: &mut String, block: &str) {
    text.push_str(block);
    text.push_str("\n\n");
}

/// A table in GitHub's syntax, padded so that it reads in a terminal too.
fn table(table: &Table) -> String {
    let escaped = |row: Vec<String>| row.iter().map(|cell| escape(cell)).collect::<Vec<_>>();
    let header = escaped(tabular::header(table));
    let rows: Vec<_> = tabular::rows(table).into_iter().map(escaped).collect();
    let align = |column: usize| table.align.get(column).copied().unwrap_or_default();
    let widths: Vec<usize> = (0..header.len())
        .map(|c| rows.iter().chain([&header]).map(|row| row[c].chars().count()).max().unwrap_or(0).max(3))
        .collect();
    let line = |row: &[String]| {
        row.iter().enumerate().fold(String::from("|"), |mut line, (c, cell)| {
            let (cell, width) = (cell.as_str(), widths[c]);
            let written = match align(c) {
                Align::Left => write!(line, " {cell:<width$} |"),
                Align::Right => write!(line, " {cell:>width$} |"),
                Align::Center => write!(line, " {cell:^width$} |"),
            };
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
            line
        })
    };
    let rule: String = widths
        .iter()
        .enumerate()
        .map(|(c, width)| match align(c) {
            Align::Left => format!(" {} |", "-".repeat(*width)),
            Align::Right => format!(" {}: |", "-".repeat(width - 1)),
            Align::Center => format!(" :{}: |", "-".repeat(width - 2)),
        })
        .collect();
    let body: String = rows.iter().map(|row| format!("\n{}", line(row))).collect();
    let caption = escape(&table.caption);
    format!("{caption}\n\n{}\n|{rule}{body}", line(&header))
}

/// Text that Markdown and the HTML inside it leave as it is, on one line.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars().filter(|c| !c.is_control()) {
            if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '$' | '&') {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}

/// A code span that may itself hold backticks.
fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
