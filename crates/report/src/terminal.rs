//! The tables of a report, drawn for a terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement};

use super::model::{Align, Report, Table};
use super::stats::Digest;
use super::tabular;
use super::text::ends;

/// Claims, figure ends and tables as text, at most `width` columns wide where the words allow it.
#[must_use]
pub fn terminal(report: &Report, width: u16) -> String {
    let mut blocks: Vec<String> = Vec::new();
    if let Some(claims) = tabular::claim_table(report) {
        blocks.push(block(&claims, width));
    }
    for section in &report.experiments {
        blocks.push(clean(&format!("{}: {}", section.name, section.question)));
        for digest in Digest::all(&section.figures) {
            let caption = format!("{} Last point of each line:", digest.figure.caption);
            blocks.push(block(&Table { caption, ..ends(&digest) }, width));
        }
        blocks.extend(section.tables.iter().map(|table| block(table, width)));
    }
    blocks.join("\n\n") + "\n"
}

/// Tables as text.
#[must_use]
pub fn tables(tables: &[Table], width: u16) -> String {
    tables.iter().map(|table| block(table, width)).collect::<Vec<_>>().join("\n\n")
}

fn block(table: &Table, width: u16) -> String {
    let mut drawn = comfy_table::Table::new();
    drawn
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(tabular::header(table).iter().map(|cell| clean(cell)));
    for row in tabular::rows(table) {
        drawn.add_row(row.iter().map(|cell| clean(cell)));
    }
    for (index, column) in drawn.column_iter_mut().enumerate() {
        column.set_cell_alignment(match table.align.get(index).copied().unwrap_or_default() {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
            Align::Center => CellAlignment::Center,
        });
    }
    format!("{}\n{drawn}", clean(&table.caption))
}

/// Labels come from configs: no control character may reach the terminal.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}
