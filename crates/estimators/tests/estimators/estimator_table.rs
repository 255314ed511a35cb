//! The table of `docs/ESTIMATORS.md` is what its command prints.

#![allow(missing_docs)]

#[path = "../../examples/estimator_table.rs"]
mod example;

#[test]
fn the_page_shows_what_the_command_prints() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ESTIMATORS.md")).unwrap();
    let (_, rest) = page.split_once("<!-- table -->\n").expect("the table's beginning");
    let (shown, _) = rest.split_once("<!-- end -->").expect("the table's end");
    let printed = example::table();
    for (shown, printed) in shown.lines().zip(printed.lines()) {
        assert_eq!(shown, printed);
    }
    assert_eq!(shown.lines().count(), printed.lines().count());
}
