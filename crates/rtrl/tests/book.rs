//! The book is whole, and the README: pages are listed, Rust is compiled, configurations are read, links lead somewhere.

use std::path::{Path, PathBuf};

use rtrl::estimators::EstimatorConfig;
use rtrl::prelude::RunConfig;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src")
}

/// Path from the source folder, and text, of every page.
fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for folder in ["", "estimators/", "extend/"] {
        for entry in std::fs::read_dir(source().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = format!("{folder}{}", path.file_name().unwrap().to_str().unwrap());
                pages.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(pages.len() > 20);
    pages
}

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = std::fs::read_to_string(source().join("SUMMARY.md")).unwrap();
    for (name, _) in pages().iter().filter(|(name, _)| name != "SUMMARY.md") {
        assert!(summary.contains(&format!("({name})")), "{name} is not listed in docs/book/src/SUMMARY.md");
    }
}

#[test]
fn every_page_with_rust_is_compiled() {
    let compiled = include_str!("../src/book.rs");
    for (name, text) in pages() {
        let runs = text.contains("```rust\n") || text.contains("```rust,no_run\n");
        let listed = compiled.contains(&format!("\"{name}\""));
        assert!(listed || !runs, "{name} has Rust that nobody compiles: list it in crates/rtrl/src/book.rs");
        assert!(runs || !listed, "{name} has no Rust: take it out of crates/rtrl/src/book.rs");
    }
}

/// Links lead to pages and figures that are there. What is included comes from `docs`, whose pages have the same names.
#[test]
fn links_lead_somewhere() {
    let book = pages().into_iter().map(|(name, text)| (format!("docs/book/src/{name}"), text));
    for (name, text) in book.chain([("README.md".to_string(), readme())]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&name);
        let folder = folder.parent().unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            assert!(link.starts_with("https://") || folder.join(file).exists(), "{name}: {link}");
        }
    }
}

/// Pages of estimators configure estimators, each another one; whole configurations are whole.
#[test]
fn configurations_are_read() {
    let run = r#"
        task = { kind = "copy" }
        layers = [{ kind = "gru", units = 32 }]
        optimizer = { kind = "adam", learning_rate = 0.003 }
        training = { lanes = 8, window = 1, steps = 1000, seed = 0 }
    "#;
    let mut seen = Vec::new();
    for (name, text) in pages().into_iter().chain([("README.md".to_string(), readme())]) {
        for block in text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            if block.starts_with("estimator") {
                let found = RunConfig::from_toml(&format!("{run}{block}"), &name).unwrap().learning.estimator;
                seen.push((name.clone(), found));
            } else if block.starts_with("task") {
                RunConfig::from_toml(block, &name).unwrap();
            }
        }
    }
    let kind = std::mem::discriminant::<EstimatorConfig>;
    let mut kinds = Vec::new();
    for (name, _) in pages().iter().filter(|(name, _)| name.starts_with("estimators/")) {
        let config = seen.iter().find(|(page, _)| page == name);
        let (_, config) = config.unwrap_or_else(|| panic!("{name} shows no configuration"));
        assert!(!kinds.contains(&kind(config)), "{name}: another page is about {config:?} already");
        kinds.push(kind(config));
    }
    assert!(kinds.len() > 10);
}
