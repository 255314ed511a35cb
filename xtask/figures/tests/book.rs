//! Figures, equations and the reference of configurations are those that the code makes today.

#[test]
fn figures_are_current() {
    let drawn = rtrl_figures::figures().unwrap();
    let folder = rtrl_figures::folder();
    for (name, content) in &drawn {
        let found = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        // Git may have changed the ends of lines.
        assert!(found.replace('\r', "") == *content, "{name} is not current: run `cargo xtask figures`");
    }
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, drawn.len(), "a figure that nothing draws");
}

#[test]
fn equations_are_current() {
    for (path, content) in rtrl_figures::equations().unwrap() {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let path = path.display();
        assert!(found.replace('\r', "") == content, "{path} is not current: run `cargo xtask figures`");
    }
}

#[test]
fn the_reference_of_configurations_is_current() {
    let (path, content) = rtrl_figures::configuration().unwrap();
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found.replace('\r', "") == content,
        "{} is not current: run `cargo xtask figures`",
        path.display()
    );
}
