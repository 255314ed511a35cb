//! The written report, read back.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::palette::{STYLES, hex};
use super::sample;
use super::svg::{Canvas, draw};
use super::*;

const CANVASES: [Canvas; 3] = [Canvas::Wide, Canvas::Narrow, Canvas::File];
/// Characters that could break HTML, SVG, Markdown or CSV.
const HOSTILE: &str = "a|b,\"c\" & <script>alert('x')</script> $y_1$ *z* `q`";

fn svg(figure: &Figure, canvas: Canvas) -> String {
    draw(&Digest::new(figure), canvas).unwrap()
}

/// Writes a report and reads back the page, the Markdown and the files of the figures.
fn written(report: &Report) -> (String, String, Vec<(PathBuf, String)>) {
    let dir = tempfile::tempdir().unwrap();
    let written = write(report, dir.path()).unwrap();
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let figures = written.figures.iter().map(|path| (path.clone(), read(path))).collect();
    (read(&written.html), read(&written.markdown), figures)
}

/// All text of an element without white space, as labels may be broken into lines.
fn dense(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text());
    texts.flat_map(|text| text.chars().filter(|c| !c.is_whitespace())).collect()
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The page as XML: of its tags without an end, only `meta` occurs.
fn as_xml(html: &str) -> String {
    let metas: Vec<&str> = html.split("<meta ").collect();
    let closed = metas[1..].iter().map(|rest| rest.replacen('>', "/>", 1)).collect::<Vec<_>>().join("<meta ");
    format!("{}<meta {closed}", metas[0]).replacen("<!DOCTYPE html>", "", 1)
}

fn points(node: Node<'_, '_>) -> Vec<(f64, f64)> {
    let pairs = node.attribute("points").unwrap().split_whitespace();
    pairs
        .map(|pair| {
            let (x, y) = pair.split_once(',').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        })
        .collect()
}

/// Set `RTRL_SAMPLE_REPORT` to a folder to keep the sample report and look at it.
#[test]
fn writes_what_it_says_and_nothing_else() {
    let temporary = tempfile::tempdir().unwrap();
    let chosen = std::env::var_os("RTRL_SAMPLE_REPORT").map(PathBuf::from);
    for dir in chosen.iter().map(PathBuf::as_path).chain([temporary.path()]) {
        write(&sample::report(), dir).unwrap();
        write(&sample::report(), dir).unwrap();
    }
    let names = |dir: &Path| -> BTreeSet<String> {
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(temporary.path()), ["figures", "report.html", "report.md"].map(str::to_owned).into());
    let figures = ["copy-curriculum.csv", "copy-curriculum.svg", "lm-bpc.csv", "lm-bpc.svg"];
    assert_eq!(names(&temporary.path().join("figures")), figures.map(str::to_owned).into());
}

#[test]
fn drawings_name_every_series_and_axis() {
    for figure in [sample::copy_figure(), sample::lm_figure()] {
        for canvas in CANVASES {
            let text = svg(&figure, canvas);
            let document = Document::parse(&text).unwrap();
            let dense = dense(document.root());
            let labels = figure.series.iter().map(|s| &s.label).chain([&figure.x.label, &figure.y.label]);
            for label in labels.chain(figure.references.iter().map(|r| &r.label)) {
                assert!(dense.contains(&squeezed(label)), "{label} in {canvas:?}");
            }
        }
    }
}

#[test]
fn drawings_are_described_for_readers_who_cannot_see_them() {
    let text = svg(&sample::lm_figure(), Canvas::Wide);
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    for id in root.attribute("aria-labelledby").unwrap().split(' ') {
        assert!(root.children().any(|node| node.attribute("id") == Some(id)), "{id}");
    }
    let description = root.children().find(|node| node.has_tag_name("desc")).unwrap().text().unwrap();
    assert!(description.contains("SnAp-1 ends at 2."), "{description}");
}

#[test]
fn each_band_contains_its_line() {
    for figure in [sample::copy_figure(), sample::lm_figure()] {
        let text = svg(&figure, Canvas::Wide);
        let document = Document::parse(&text).unwrap();
        for (style, series) in STYLES.iter().zip(&figure.series) {
            let color = hex(style.line.light);
            let find = |tag: &str, paint: &str, opacity: &str| {
                let mut nodes = document.descendants().filter(|n| n.has_tag_name(tag));
                points(
                    nodes
                        .find(|n| {
                            n.attribute(paint) == Some(&color) && n.attribute("opacity") == Some(opacity)
                        })
                        .unwrap(),
                )
            };
            let (band, line) = (find("polygon", "fill", "0.2"), find("polyline", "stroke", "1"));
            assert_eq!((line.len(), band.len()), (series.points.len(), 2 * series.points.len()));
            for (i, (x, mean)) in line.iter().enumerate() {
                let (high, low) = (band[i], band[band.len() - 1 - i]);
                assert_eq!((high.0, low.0), (*x, *x));
                // Pixels grow downward.
                assert!(high.1 <= *mean && *mean <= low.1, "{}: {high:?} {mean} {low:?}", series.label);
            }
            assert!(band.iter().zip(&line).any(|(high, mean)| high.1 < mean.1), "the band has some width");
        }
    }
}

#[test]
fn end_labels_do_not_overlap() {
    let mut figure = sample::copy_figure();
    let last = figure.series[0].clone();
    figure.series = (0..7).map(|i| Series { label: format!("same {i}"), ..last.clone() }).collect();
    for canvas in CANVASES {
        let text = svg(&figure, canvas);
        let document = Document::parse(&text).unwrap();
        let labels =
            document.descendants().filter(|n| n.text().is_some_and(|t| t.trim().starts_with("same ")));
        let mut heights: Vec<f64> = labels
            .filter(|n| n.has_tag_name("text"))
            .map(|n| n.attribute("y").unwrap().parse().unwrap())
            .collect();
        heights.sort_by(f64::total_cmp);
        assert_eq!(heights.len(), 7);
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= 13.0 * f64::from(svg::UNIT)));
    }
}

#[test]
fn every_color_has_a_dark_counterpart_where_it_is_used() {
    let text = svg(&sample::lm_figure(), Canvas::File);
    let document = Document::parse(&text).unwrap();
    let css = document.descendants().find(|n| n.has_tag_name("style")).unwrap().text().unwrap();
    let (_, dark) = css.split_once("prefers-color-scheme:dark").unwrap();
    let mut seen = HashSet::new();
    for node in document.descendants() {
        for paint in ["fill", "stroke"] {
            if let Some(color) = node.attribute(paint).filter(|c| *c != "none") {
                assert!(dark.contains(&format!("[{paint}=\"{color}\"]")), "{paint} {color}");
                seen.insert(color);
            }
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
}

#[test]
fn the_page_is_well_formed_and_fetches_nothing() {
    let (html, _, _) = written(&sample::report());
    let xml = as_xml(&html);
    let document = Document::parse(&xml).unwrap();
    assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("http"));
    for fetching in ["src=", "@import", "url(", "<script", "<link", "srcset"] {
        assert!(!html.contains(fetching), "{fetching}");
    }
    let ids: Vec<&str> = document.descendants().filter_map(|n| n.attribute("id")).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "ids are unique");
    let links: Vec<&str> = document.descendants().filter_map(|n| n.attribute("href")).collect();
    assert!(links.len() > 8);
    for link in links {
        match link.strip_prefix('#') {
            Some(id) => assert!(ids.contains(&id), "{id}"),
            None => assert!(link.starts_with("figures/"), "{link}"),
        }
    }
    for table in document.descendants().filter(|n| n.has_tag_name("table")) {
        assert!(table.children().any(|n| n.has_tag_name("caption")));
    }
}

#[test]
fn claims_come_first_and_in_order() {
    let (html, markdown, _) = written(&sample::report());
    let terminal = terminal(&sample::report(), 100);
    let (_, body) = html.split_once("<body>").unwrap();
    for text in [body, &markdown, &terminal] {
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is missing"));
        let order = ["C2", "C3", "C4", "C10", "Does sparse forward-mode"].map(at);
        assert!(order.is_sorted(), "{order:?}");
        for verdict in ["✓", "supported", "not supported", "undecided", "not run"] {
            at(verdict);
        }
    }
}

fn hostile() -> Report {
    let mut report = sample::report();
    report.title = HOSTILE.to_owned();
    let section = &mut report.experiments[0];
    section.question = HOSTILE.to_owned();
    section.setup = vec![HOSTILE.to_owned()];
    section.claims[0].text = HOSTILE.to_owned();
    section.runs[0].config_toml = HOSTILE.to_owned();
    section.tables[0].rows[0][0] = HOSTILE.to_owned();
    section.tables[0].rows[1].push("a cell too many".to_owned());
    section.tables[0].rows[2].truncate(1);
    let figure = &mut section.figures[0];
    figure.caption = HOSTILE.to_owned();
    figure.x.label = HOSTILE.to_owned();
    figure.series[0].label = HOSTILE.to_owned();
    report
}

#[test]
fn hostile_text_stays_text() {
    let report = hostile();
    let (html, markdown, figures) = written(&report);
    let xml = as_xml(&html);
    let document = Document::parse(&xml).unwrap();
    assert!(!document.descendants().any(|n| n.has_tag_name("script")));
    assert!(document.descendants().filter(|n| n.text() == Some(HOSTILE)).count() >= 7);
    let drawing = figures.iter().find(|(path, _)| path.ends_with("copy-curriculum.svg")).unwrap();
    assert!(dense(Document::parse(&drawing.1).unwrap().root()).contains(&squeezed(HOSTILE)));
    assert!(markdown.contains(r"\<script") && !markdown.replace(r"\<", "").contains("<script"));
    // Rows of one table have the same number of cells, whatever they hold.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let rows: Vec<usize> =
        markdown.lines().filter(|l| l.contains("26.0 ± 1.7") || l.contains("1.3 ± 0.6")).map(cells).collect();
    assert_eq!(rows, [7, 7]);
}

#[test]
fn control_characters_reach_neither_terminal_nor_files() {
    let mut report = sample::report();
    for text in [&mut report.title, &mut report.experiments[0].figures[0].series[0].label] {
        *text = "red \u{1b}[31m bell \u{7} null \0".to_owned();
    }
    let (_, markdown, figures) = written(&report);
    let drawing = figures.iter().find(|(path, _)| path.ends_with("copy-curriculum.svg")).unwrap();
    assert!(Document::parse(&drawing.1).is_ok());
    for text in [&markdown, &terminal(&report, 80)] {
        assert!(text.contains("bell") && !text.contains(['\u{1b}', '\u{7}', '\0']));
    }
}

#[test]
fn terminal_tables_keep_to_the_width() {
    let text = terminal(&sample::report(), 80);
    let tables = text.lines().filter(|line| line.starts_with(['─', '═', ' ']));
    let widths: Vec<usize> = tables.map(|line| line.chars().count()).collect();
    assert!(widths.len() > 20 && widths.iter().all(|w| *w <= 80), "{widths:?}");
}

/// Reads RFC 4180 text; independent of the writer.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {
                letters.next();
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !quoted, "the text ends with a line end");
    rows
}

#[test]
fn the_csv_holds_mean_and_band() {
    let mut figure = sample::copy_figure();
    figure.series =
        vec![Series { label: "a".to_owned(), points: vec![Point { x: 0.5, y: vec![1.0, f64::NAN, 4.0] }] }];
    figure.seeds = vec![7, 8, 12];
    let text = csv::render(&Digest::new(&figure));
    let (header, row) = text.trim_end().split_once("\r\n").unwrap();
    assert_eq!(header, "x,series,mean,low,high,seed_7,seed_8,seed_12");
    let cells: Vec<&str> = row.split(',').collect();
    assert_eq!((&cells[..3], &cells[5..]), (&["0.5", "a", "2.5"][..], &["1.0", "NaN", "4.0"][..]));
    // Of two values 3 apart the standard error is 1.5, and t is 12.7062.
    let ends = [cells[3], cells[4]].map(|cell| cell.parse::<f64>().unwrap());
    assert!((ends[0] - (2.5 - 1.5 * 12.7062)).abs() < 1e-4 && (ends[1] - (2.5 + 1.5 * 12.7062)).abs() < 1e-4);
    // With a single finite value there is no band.
    figure.series[0].points[0].y = vec![f64::NAN, 3.0, f64::NAN];
    assert!(csv::render(&Digest::new(&figure)).ends_with("0.5,a,3.0,,,NaN,3.0,NaN\r\n"));
    (figure.seeds, figure.series[0].points[0].y) = (Vec::new(), vec![3.0]);
    let text = csv::render(&Digest::new(&figure));
    assert_eq!(text, "x,series,mean,low,high,value_1\r\n0.5,a,3.0,,,3.0\r\n");
}

#[test]
fn captions_own_up_to_what_is_missing() {
    let mut figure = sample::lm_figure();
    figure.series[0].points[3].y[1] = f64::NAN;
    figure.series[1].points[0].x = 0.0;
    let notes = text::notes(&Digest::new(&figure));
    assert!(notes.contains("3 seeds; bands are Student's 95 % confidence intervals"), "{notes}");
    assert!(notes.contains("1 of 216 values are not finite"), "{notes}");
    assert!(notes.contains("1 points lie where the axes cannot show them"), "{notes}");
    figure.series.iter_mut().flat_map(|s| &mut s.points).for_each(|p| p.y.truncate(1));
    figure.seeds.truncate(1);
    assert!(text::notes(&Digest::new(&figure)).contains("One seed: no spread is known"));
    figure.series.clear();
    assert_eq!(text::notes(&Digest::new(&figure)), "There are no data for this figure.");
}

#[test]
fn deviations_near_rounding_error_are_drawn_where_they_are() {
    let mut figure = sample::lm_figure();
    (figure.y.log, figure.references, figure.yardsticks, figure.seeds) = (true, vec![], vec![], vec![0]);
    let values = [1e-2, 1e-9, 1e-16];
    let points = values.iter().enumerate().map(|(i, &v)| Point { x: 1.0 + i as f64, y: vec![v] });
    figure.series = vec![Series { label: "deviation".to_owned(), points: points.collect() }];
    let text = svg(&figure, Canvas::Wide);
    let document = Document::parse(&text).unwrap();
    let color = hex(STYLES[0].line.light);
    let line = document.descendants().find(|n| {
        n.has_tag_name("polyline")
            && n.attribute("stroke") == Some(&color)
            && n.attribute("stroke-width") == Some("22")
    });
    let ys: Vec<f64> = points_of(line.unwrap());
    // Equal ratios of values lie at equal distances.
    assert!(((ys[1] - ys[0]) - (ys[2] - ys[1])).abs() <= 1.0 && ys[0] < ys[1], "{ys:?}");
}

fn points_of(node: Node<'_, '_>) -> Vec<f64> {
    points(node).into_iter().map(|(_, y)| y).collect()
}

#[test]
fn bad_reports_are_refused_before_anything_is_written() {
    let change = |edit: fn(&mut Vec<Figure>)| {
        let mut report = sample::report();
        edit(&mut report.experiments[0].figures);
        let dir = tempfile::tempdir().unwrap();
        let error = write(&report, dir.path()).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        error
    };
    for id in ["", "../x", "a b", "ü"] {
        let mut report = sample::report();
        report.experiments[0].figures[0].id = id.to_owned();
        assert!(matches!(check(&report), Err(ReportError::FigureId { .. })), "{id:?}");
    }
    assert!(matches!(change(|f| f[0].id = "a/b".to_owned()), ReportError::FigureId { .. }));
    assert!(matches!(change(|f| f[0].id = "LM-bpc".to_owned()), ReportError::DuplicateFigure { .. }));
    let error = change(|f| f[0].series[1].label = f[0].series[0].label.clone());
    assert!(matches!(error, ReportError::DuplicateSeries { .. }));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let message = write(&sample::report(), &file).unwrap_err().to_string();
    assert!(message.starts_with("cannot write") && message.contains("file"), "{message}");
}

#[test]
fn reports_survive_json_with_what_json_cannot_hold() {
    let mut report = sample::report();
    let y = &mut report.experiments[0].figures[0].series[0].points[0].y;
    *y = vec![f64::INFINITY, f64::NEG_INFINITY, 0.1];
    let text = serde_json::to_string(&report).unwrap();
    // Not `assert_eq!`, which would print both. Needs serde_json's `float_roundtrip`.
    assert!(serde_json::from_str::<Report>(&text).unwrap() == report);
    assert!(text.contains(r#"["inf","-inf",0.1]"#));
    report.experiments[0].figures[0].series[0].points[0].y = vec![f64::NAN];
    let back: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert!(back.experiments[0].figures[0].series[0].points[0].y[0].is_nan());
}

/// Any `f64`, and often one of those that are hard to handle.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => any::<f64>(),
        3 => -10.0f64..10.0,
        2 => prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX,
            f64::MIN_POSITIVE, 5e-324, 1e-16]),
    ]
}

prop_compose! {
    fn any_figure()(
        series in prop::collection::vec(
            prop::collection::vec((value(), prop::collection::vec(value(), 0..7)), 0..5), 0..9),
        logs in any::<(bool, bool)>(),
        reference in value(),
        yardstick in (value(), value()),
        label in "\\PC{0,40}",
    ) -> Figure {
        let series = series.into_iter().enumerate().map(|(i, points)| Series {
            label: format!("{label} {i}"),
            points: points.into_iter().map(|(x, y)| Point { x, y }).collect(),
        });
        Figure {
            id: "any".to_owned(),
            caption: label.clone(),
            x: Axis { label: label.clone(), log: logs.0, whole: false },
            y: Axis { label: label.clone(), log: logs.1, whole: false },
            seeds: Vec::new(),
            series: series.collect(),
            references: vec![Reference { label: label.clone(), y: reference }],
            yardsticks: vec![Yardstick { label, x: yardstick.0, y: yardstick.1 }],
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_figure_draws_and_names_its_series(figure in any_figure()) {
        for canvas in CANVASES {
            let text = svg(&figure, canvas);
            let document = Document::parse(&text).unwrap();
            let dense = dense(document.root());
            for series in &figure.series {
                prop_assert!(dense.contains(&squeezed(&series.label)), "{} in {canvas:?}", series.label);
            }
            for node in document.descendants() {
                for place in node.attributes().filter(|a| matches!(a.name(), "x" | "y" | "x1" | "y1" | "points")) {
                    prop_assert!(!place.value().contains(['N', 'i']), "{}", place.value());
                }
            }
        }
    }

    #[test]
    fn any_figure_reads_back_from_its_csv(figure in any_figure()) {
        let digest = Digest::new(&figure);
        let rows = read_csv(&csv::render(&digest));
        prop_assert!(rows.iter().all(|row| row.len() == 5 + digest.seeds));
        let mut rows = rows[1..].iter();
        let bits = |cell: &String| cell.parse::<f64>().unwrap().to_bits();
        for series in &figure.series {
            for point in &series.points {
                let row = rows.next().unwrap();
                prop_assert_eq!(&row[1], &series.label);
                let read: Vec<u64> =
                    [&row[0]].into_iter().chain(&row[5..5 + point.y.len()]).map(bits).collect();
                // Text knows only one NaN.
                let same = |v: &f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
                let expected: Vec<u64> = [point.x].iter().chain(&point.y).map(same).collect();
                prop_assert_eq!(read, expected);
            }
        }
        prop_assert!(rows.next().is_none());
    }
}
