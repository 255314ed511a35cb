//! The report of `cargo xtask bench`.

use rtrl_benches::{Measured, Method, Row, Scaling};

use super::results::{Goal, Results};
use rtrl_report::{Align, Axis, Figure, Point, Report, Section, Series, Table};

/// Everything as a report.
pub fn report(results: &Results) -> Report {
    Report {
        title: "Speed of rtrl".to_string(),
        profile: if results.command.contains("--quick") { "quick" } else { "full" }.to_string(),
        command: results.command.clone(),
        environment: results.environment.clone(),
        experiments: vec![summary(results), steps(results), scaling(results), schedules(results)],
        not_run: Vec::new(),
    }
}

fn table(caption: &str, headers: &[&str], rows: Vec<Vec<String>>) -> Table {
    let align = [vec![Align::Left], vec![Align::Right; headers.len() - 1]].concat();
    let headers = headers.iter().map(|header| (*header).to_string()).collect();
    Table { caption: caption.to_string(), headers, rows, align }
}

fn section(name: &str, question: &str, setup: &[&str], tables: Vec<Table>) -> Section {
    Section {
        name: name.to_string(),
        question: question.to_string(),
        setup: setup.iter().map(|text| (*text).to_string()).collect(),
        figures: Vec::new(),
        tables,
        claims: Vec::new(),
        caveats: Vec::new(),
        runs: Vec::new(),
    }
}

/// A positive number with about three digits.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_string(), short)
}

/// The goals as a table.
pub fn goals(goals: &[Goal]) -> Table {
    let row = |goal: &Goal| {
        let bound = format!("{} {}", if goal.at_least { "≥" } else { "≤" }, goal.bound);
        let verdict = match goal.met() {
            Some(true) => "met",
            Some(false) => "not met",
            None => "not measured",
        };
        vec![goal.id.to_string(), goal.goal.clone(), bound, optional(goal.reached), verdict.to_string()]
    };
    let align = vec![Align::Left, Align::Left, Align::Right, Align::Right, Align::Left];
    let headers = ["goal", "what", "bound", "reached", "verdict"];
    Table { align, ..table("Goals.", &headers, goals.iter().map(row).collect()) }
}

fn summary(results: &Results) -> Section {
    let giga = |x: f64| short(x / 1e9);
    let peaks = results.ceilings.peaks.iter().map(|peak| {
        vec![format!("multiply-adds, {}", peak.level), "G/s".to_string(), giga(peak.one), giga(peak.all)]
    });
    let bandwidths = results.ceilings.bandwidths.iter().map(|bandwidth| {
        let what = format!("loads and stores, {} ({} KiB)", bandwidth.name, bandwidth.size >> 10);
        vec![what, "GB/s".to_string(), giga(bandwidth.one), giga(bandwidth.all)]
    });
    let all = format!("{} cores", results.ceilings.cores);
    let ceilings = table(
        "Ceilings: loops that do nothing else, in the same run.",
        &["what", "unit", "one core", &all],
        peaks.chain(bandwidths).collect(),
    );
    let model = results.language_model.iter();
    let model = table(
        "Training the language model (GRU-128, readout of 1024 units, batch of 64, crops of 128), from end to end.",
        &["estimator", "characters per second"],
        model.map(|m| vec![m.estimator.to_string(), format!("{:.0}", m.rate)]).collect(),
    );
    let mut tables = vec![goals(&results.goals), ceilings, model];
    let own = |row: &Row| results.find(row).map(|m| m.seconds);
    tables.extend(results.peers.table(results.ceilings.cores, own));
    let peers = results.peers.words();
    section("Goals", "Is it fast enough?", &["Ratios are between rows of one run.", &peers], tables)
}

/// The cells of one row, under [`HEADERS`].
fn cells(results: &Results, m: &Measured) -> Vec<String> {
    let (arithmetic, movement, name) = binding(results, m);
    let (binding, ceiling) = if arithmetic > movement { ("FMA", arithmetic) } else { (name, movement) };
    let bptt = results.rows.iter().filter(|other| {
        let (own, other) = (m.row, other.row);
        other.method == Method::Bptt && (own.net, own.lanes) == (other.net, other.lanes)
    });
    // Figures time BPTT with several windows; the longest one is the usual one.
    let bptt = bptt.max_by_key(|other| other.row.window);
    vec![
        m.row.to_string(),
        short(m.seconds * 1e6),
        format!("{:.0}", m.macs),
        short(m.rate() / 1e9),
        short(m.traffic / m.seconds / 1e9),
        binding.to_string(),
        format!("{:.0} %", 100.0 * ceiling / m.seconds),
        optional(bptt.map(|bptt| m.seconds / bptt.seconds)),
    ]
}

/// The least seconds that arithmetic and data movement can take for a step, and the cache or memory that the data
/// fit.
fn binding(results: &Results, m: &Measured) -> (f64, f64, &'static str) {
    let bandwidth = results.ceilings.bandwidth(m.working_set);
    let speed = if m.row.threads > 1 { bandwidth.all } else { bandwidth.one };
    (m.macs / results.ceilings.peak(m.row.threads), m.traffic / speed, bandwidth.name)
}

const HEADERS: [&str; 8] =
    ["row", "µs per step", "MACs", "GMAC/s", "GB/s", "binds", "of ceiling", "over BPTT"];

fn rows(results: &Results, caption: &str, rows: &[Row]) -> Table {
    let found = rows.iter().filter_map(|row| results.find(row));
    table(caption, &HEADERS, found.map(|m| cells(results, m)).collect())
}

fn steps(results: &Results) -> Section {
    let setup = [
        "A row is a net, an estimator, B lanes and windows of T steps; 32 dense inputs, f32, no readout, one thread where nothing \
         else is said. Times are of one step of all lanes: the least over many windows, rows of one net taken in turn.",
        "MACs are counted from the structure, for all lanes. Bytes are those that must move if nothing is kept: weights read, the gradient \
         read and written, and the state of the estimator read and written once in a window. The ceiling that binds is the slower of \
         both at its best: all multiply-adds at the peak, or all bytes at the bandwidth of the cache that they fit.",
    ];
    let threads: Vec<Row> = results.plan.threads.iter().flatten().copied().collect();
    let tables = vec![
        rows(results, "Every estimator.", &results.plan.steps),
        rows(results, "On one thread and on all cores.", &threads),
        rows(results, "Large nets: SnAp-2, 16.4 recurrent weights to each unit.", &results.plan.scale),
    ];
    section("Time per step", "What does a step cost, and what binds?", &setup, tables)
}

fn scaling(results: &Results) -> Section {
    let figures = results.plan.scalings.iter().map(|scaling| figure(results, scaling)).collect();
    let slopes = results.plan.scalings.iter().flat_map(|scaling| {
        scaling.lines.iter().map(|line| {
            let points = |of: fn(&Measured) -> f64| -> Vec<(f64, f64)> {
                line.points.iter().filter_map(|(x, row)| Some((*x, of(results.find(row)?)))).collect()
            };
            let (time, macs) = (slope(&points(per_lane)), slope(&points(|m| m.macs / m.row.lanes as f64)));
            vec![scaling.axis.to_string(), line.label.clone(), optional(time), optional(macs)]
        })
    });
    let caption = "Exponents of the last two points of each line: time of a step of one lane, and counted multiply-adds.";
    let mut table = table(caption, &["size", "estimator", "time", "multiply-adds"], slopes.collect());
    table.align[1] = Align::Left;
    let question = "How does time grow with k, n, sparsity, B and T?";
    Section { figures, ..section("Scaling", question, &[], vec![table]) }
}

fn per_lane(m: &Measured) -> f64 {
    m.seconds * 1e6 / m.row.lanes as f64
}

/// The exponent of the growth between the last two points: their slope on logarithmic axes.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let [.., (x0, y0), (x1, y1)] = points else { return None };
    Some((y1 / y0).ln() / (x1 / x0).ln())
}

fn figure(results: &Results, scaling: &Scaling) -> Figure {
    let axis = |label: &str| Axis::log(label);
    let series = scaling.lines.iter().map(|line| {
        let points = line
            .points
            .iter()
            .filter_map(|(x, row)| Some(Point { x: *x, y: vec![per_lane(results.find(row)?)] }));
        Series { label: line.label.clone(), points: points.collect() }
    });
    Figure {
        id: format!("scaling-{}", scaling.id),
        caption: format!("Time of a step of one lane. {}", scaling.setup),
        x: axis(scaling.axis),
        y: axis("µs per step and lane"),
        seeds: Vec::new(),
        series: series.collect(),
        references: Vec::new(),
        yardsticks: Vec::new(),
    }
}

fn schedules(results: &Results) -> Section {
    let rows = results.plan.schedules.iter().filter_map(|case| {
        let times = case.map(|row| results.find(&row).map(|m| m.seconds));
        let [auto, forced @ ..] = times;
        let best = forced.into_iter().flatten().fold(f64::INFINITY, f64::min);
        let micros = times.map(|time| optional(time.map(|time| time * 1e6)));
        Some([vec![case[0].to_string()], micros.to_vec(), vec![short(auto? / best)]].concat())
    });
    let headers = ["case", "chosen", "streaming", "blocked", "adjoint", "chosen over best"];
    let table = table("Microseconds per step of all lanes.", &headers, rows.collect());
    let question = "Does the cost model choose the quickest schedule?";
    section("Schedules", question, &["The aim is at most 1.3 times the best."], vec![table])
}
