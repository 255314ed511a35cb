//! Equations of the crates' documentation: TeX in, MathML out, which every browser draws by itself.

use std::path::PathBuf;

use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Parser, RenderConfig, Storage, push_mathml};

/// The crates whose documentation has a page of equations in `docs/equations`.
const CRATES: [&str; 3] = ["sparse", "cells", "estimators"];

/// Rustdoc makes every paragraph scrollable, and a subscript that hangs a pixel too low then shows a scroll bar.
/// This style prevents it.
const STYLE: &str = "<style>\n\
    .docblock p:has(math) { overflow: visible !important; }\n\
    .docblock div:has(> math) { overflow-y: hidden !important; padding: 0.3em 0 0.6em; }\n\
    </style>\n\n";

/// File and content for every crate.
///
/// # Errors
/// If a page cannot be read or its TeX not be understood.
pub fn all() -> Result<Vec<(PathBuf, String)>, String> {
    let root = crate::place::root();
    let page = |name: &str| {
        let source = root.join("docs/equations").join(name).with_extension("md");
        let text = std::fs::read_to_string(&source).map_err(|e| format!("{}: {e}", source.display()))?;
        let rendered = rendered(&text.replace('\r', "")).map_err(|e| format!("{}: {e}", source.display()))?;
        let note = format!("<!-- Made by `cargo xtask figures` from docs/equations/{name}.md -->\n");
        Ok((root.join("crates").join(name).join("src/equations.md"), note + STYLE + &rendered))
    };
    CRATES.into_iter().map(page).collect()
}

/// The page with MathML in place of what stands between dollars, two for a line of its own.
fn rendered(text: &str) -> Result<String, String> {
    let mut html = String::new();
    for (at, part) in text.split("$$").enumerate() {
        if at % 2 == 1 {
            // Within a div, Markdown leaves everything as it is.
            html += "<div>";
            push(&mut html, part, DisplayMode::Block)?;
            html += "</div>";
            continue;
        }
        for (at, part) in part.split('$').enumerate() {
            match at % 2 {
                0 => html += part,
                _ => push(&mut html, part, DisplayMode::Inline)?,
            }
        }
    }
    Ok(html)
}

fn push(html: &mut String, tex: &str, display_mode: DisplayMode) -> Result<(), String> {
    let storage = Storage::new();
    if let Some(Err(error)) = Parser::new(tex, &storage).find(Result::is_err) {
        return Err(format!("{error}"));
    }
    let config = RenderConfig { display_mode, ..RenderConfig::default() };
    push_mathml(html, Parser::new(tex, &storage), config).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_mathml_and_the_rest_stays() {
        let html = rendered("# *A* $x$\n\n$$ D_t $$\n").unwrap();
        assert!(html.starts_with("# *A* <math") && html.contains("</math>\n\n<div><math"), "{html}");
        assert!(html.contains("<msub><mi>D</mi><mi>t</mi></msub>") && !html.contains('$'), "{html}");
    }

    #[test]
    fn what_is_no_tex_is_refused() {
        assert!(rendered("$\\frac{1}$").is_err());
        assert!(rendered("$\\unheard$").is_err());
    }
}
