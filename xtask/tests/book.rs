//! The figures of the book are those that the code draws today.

#[test]
fn figures_are_current() {
    let drawn = xtask::book::figures().unwrap();
    let folder = xtask::book::folder();
    for (name, content) in &drawn {
        let found = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        // Git may have changed the ends of lines.
        assert!(found.replace('\r', "") == *content, "{name} is not current: run `cargo xtask figures`");
    }
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, drawn.len(), "a figure that nothing draws");
}
