//! The report as one self-contained page: no script, nothing fetched.
//!
//! Templates are `maud`: checked and escaped at compile time, and the smallest of the three candidates (`askama` brings a
//! parser, `minijinja` an interpreter whose mistakes show at run time).

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::condition::Verdict;
use super::error::ReportError;
use super::model::{Align, Claim, Environment, Report, RunEntry, Section, Table};
use super::palette::css;
use super::stats::Digest;
use super::svg::{Canvas, UNIT, draw};
use super::tabular;
use super::text::{ends, memory, notes};

const STYLE: &str = include_str!("style.css");

/// The whole page.
///
/// `digests` are those of each experiment's figures.
pub(super) fn render(report: &Report, digests: &[Vec<Digest<'_>>]) -> Result<String, ReportError> {
    let experiments = report.experiments.iter().zip(digests).enumerate();
    let sections: Vec<Markup> = experiments.map(section).collect::<Result<_, _>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (report.title) }
                style { (PreEscaped(STYLE)) (PreEscaped(css(UNIT))) }
            }
            body {
                header {
                    h1 { (report.title) }
                    p.lead {
                        "Profile " strong { (report.profile) } (tabular::runs(report)) ", by " code { (report.command) } "."
                    }
                    (contents(report))
                }
                main {
                    (claims(report))
                    @for section in &sections { (section) }
                    (environment(&report.environment))
                }
            }
        }
    };
    Ok(page.into_string())
}

fn contents(report: &Report) -> Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                @if has_claims(report) { li { a href="#claims" { "Claims" } } }
                @for (index, section) in report.experiments.iter().enumerate() {
                    li { a href={ "#experiment-" (index + 1) } { (section.name) } }
                }
                li { a href="#environment" { "Machine and versions" } }
            }
        }
    }
}

fn has_claims(report: &Report) -> bool {
    !tabular::claims(report).is_empty()
}

/// Claims of all experiments, first on the page.
fn claims(report: &Report) -> Markup {
    html! {
        @if has_claims(report) {
            section #claims aria-labelledby="claims-title" {
                h2 #claims-title { "Claims and verdicts" }
                div.scroll tabindex="0" {
                    table.claims {
                        caption { (tally(report)) }
                        thead {
                            tr {
                                th scope="col" { "Claim" }
                                th scope="col" { "Verdict" }
                                th scope="col" { "What is claimed" }
                                th scope="col" { "Evidence" }
                            }
                        }
                        tbody {
                            @for (index, claim) in tabular::claims(report) { (claim_row(index, claim)) }
                        }
                    }
                }
            }
        }
    }
}

fn tally(report: &Report) -> String {
    let kinds = [Verdict::Supported, Verdict::NotSupported, Verdict::Undecided, Verdict::NotRun];
    let counts = kinds.iter().filter_map(|kind| {
        let count = tabular::claims(report).iter().filter(|(_, claim)| claim.verdict == *kind).count();
        (count > 0).then(|| format!("{count} {}", kind.words()))
    });
    format!("Verdicts: {}.", counts.collect::<Vec<_>>().join(", "))
}

fn claim_row(experiment: Option<usize>, claim: &Claim) -> Markup {
    let class = claim.verdict.words().replace(' ', "-");
    html! {
        tr {
            th scope="row" {
                @match experiment {
                    Some(index) => a href={ "#experiment-" (index + 1) } { (claim.id) },
                    None => (claim.id),
                }
            }
            td {
                span class={ "verdict " (class) } {
                    span aria-hidden="true" { (claim.verdict.mark()) " " } (claim.verdict.words())
                }
            }
            td.wide-cell { (claim.text) }
            td.wide-cell {
                (claim.evidence)
                @if !claim.conditions.is_empty() {
                    details {
                        summary { "All " (claim.conditions.len()) " numbers" }
                        (table(&tabular::condition_table(claim)))
                    }
                }
            }
        }
    }
}

fn section(
    (index, (section, digests)): (usize, (&Section, &Vec<Digest<'_>>)),
) -> Result<Markup, ReportError> {
    let anchor = format!("experiment-{}", index + 1);
    let figures: Vec<Markup> = digests.iter().map(figure).collect::<Result<_, _>>()?;
    Ok(html! {
        section id=(anchor) aria-labelledby={ (anchor) "-title" } {
            h2 id={ (anchor) "-title" } { (section.name) }
            p.question { (section.question) }
            @if !section.setup.is_empty() {
                h3 { "Set-up" }
                @for paragraph in &section.setup { p { (prose(paragraph)) } }
            }
            @for figure in &figures { (figure) }
            @for numbers in &section.tables { (table(numbers)) }
            @if !section.caveats.is_empty() {
                div.caveats {
                    h3 { "Caveats" }
                    ul { @for caveat in &section.caveats { li { (prose(caveat)) } } }
                }
            }
            (run_list(&section.runs))
        }
    })
}

/// Text with `code` between backticks.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn figure(digest: &Digest<'_>) -> Result<Markup, ReportError> {
    let (wide, narrow) = (draw(digest, Canvas::Wide)?, draw(digest, Canvas::Narrow)?);
    let figure = digest.figure;
    let file = format!("figures/{}", figure.id);
    Ok(html! {
        figure id=(figure.id) {
            (PreEscaped(wide))
            (PreEscaped(narrow))
            figcaption {
                strong { (figure.caption) } " " (notes(digest)) " "
                a href={ (file) ".csv" } { "Data" } ", " a href={ (file) ".svg" } { "drawing" } "."
            }
            details {
                summary { "Last point of each line" }
                (table(&ends(digest)))
            }
        }
    })
}

fn table(table: &Table) -> Markup {
    let class = |column: usize| match table.align.get(column).copied().unwrap_or_default() {
        Align::Left => None,
        Align::Right => Some("right"),
        Align::Center => Some("center"),
    };
    html! {
        div.scroll tabindex="0" {
            table {
                caption { (table.caption) }
                thead {
                    tr {
                        @for (column, header) in tabular::header(table).iter().enumerate() {
                            th scope="col" class=[class(column)] { (header) }
                        }
                    }
                }
                tbody {
                    @for row in tabular::rows(table) {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" class=[class(0)] { (cell) } }
                                @else { td class=[class(column)] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn run_list(runs: &[RunEntry]) -> Markup {
    html! {
        @if !runs.is_empty() {
            details {
                summary { "Runs and configs (" (runs.len()) ")" }
                (table(&tabular::run_table(runs)))
                @for run in runs {
                    details {
                        summary { (run.label) ", seed " (run.seed) }
                        pre { code { (run.config_toml) } }
                    }
                }
            }
        }
    }
}

fn environment(environment: &Environment) -> Markup {
    html! {
        section #environment aria-labelledby="environment-title" {
            h2 #environment-title { "Machine and versions" }
            dl { @for (term, value) in facts(environment) { dt { (term) } dd { (value) } } }
        }
    }
}

/// The environment as pairs of term and value.
pub(super) fn facts(e: &Environment) -> Vec<(&'static str, String)> {
    vec![
        ("rtrl", e.rtrl_version.clone()),
        ("commit", e.commit.clone().unwrap_or_else(|| "not under version control".to_owned())),
        ("compiler", e.rustc.clone()),
        ("system", e.os.clone()),
        ("processor", format!("{}, {} cores", e.cpu, e.cores)),
        ("memory", memory(e.memory_bytes)),
        ("instructions", e.isa.clone()),
    ]
}
