//! The goals: ratios within one run.

use rtrl_benches::{Kind, Measured, Method, Net, Row, Way};

use super::peers::Peer;
use super::results::{Goal, Results};

const GRU_DENSE: Net = Net::new(Kind::Gru, 128, 0.0);
const GRU_SPARSE: Net = Net::new(Kind::Gru, 128, 0.75);
const VANILLA: [Net; 3] = [
    Net::new(Kind::Vanilla, 128, 0.75),
    Net::new(Kind::Vanilla, 256, 0.9375),
    Net::new(Kind::Vanilla, 512, 0.984),
];
const SNAP_1: Method = Method::Snap(1, Way::STREAMING);
const SNAP_2: Method = Method::Snap(2, Way::STREAMING);
const SNAP_1_WINDOW: Method = Method::Snap(1, Way::RESET);
const SNAP_2_WINDOW: Method = Method::Snap(2, Way::RESET);
/// Steps of a window.
const T: usize = 128;

/// All goals.
pub fn all(results: &Results) -> Vec<Goal> {
    let mut goals = snap_2(results);
    goals.extend(snap_1(results));
    goals.extend(bptt(results));
    goals.extend(exact(results));
    goals.extend(lanes(results));
    goals.extend(scale(results));
    goals
}

fn seconds(results: &Results, net: Net, method: Method, lanes: usize, window: usize) -> Option<f64> {
    results.find(&Row::new(net, method, lanes, window)).map(|measured| measured.seconds)
}

/// `a / b`, if both are known.
fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b?)
}

/// Goal 1: SnAp-2 against JAX, braintrace and the FMA peak.
fn snap_2(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    for net in VANILLA {
        let own = seconds(results, net, SNAP_2, 1, 1);
        let jax = results.peers.seconds(Peer::Jax, &Row::new(net, SNAP_2, 1, 1));
        let braintrace = results.peers.seconds(Peer::Braintrace, &Row::new(net, SNAP_2, 1, 1));
        let cores = results.ceilings.cores;
        let all = results.find(&Row { threads: cores, ..Row::new(net, SNAP_2, 1, 1) }).map(|all| all.seconds);
        let text = format!("SnAp-2, {net}, one thread: times faster than JAX");
        goals.push(Goal::at_least("1", 10.0, text, ratio(jax, own)));
        let text = format!("SnAp-2, {net}, {cores} threads: times faster than JAX");
        goals.push(Goal::at_least("1", 10.0, text, ratio(jax, all)));
        let text = format!("SnAp-2, {net}: times faster than braintrace");
        goals.push(Goal::at_least("1", 300.0, text, ratio(braintrace, own)));
    }
    let row = results.find(&Row::new(GRU_SPARSE, SNAP_2, 1, 1));
    let rate = row.map(Measured::rate);
    goals.push(Goal::at_least("1", 15.0, "SnAp-2, GRU-128 75 %: GMAC/s on one core", rate.map(|r| r / 1e9)));
    let share = rate.map(|rate| rate / results.ceilings.peak(1));
    goals.push(Goal::at_least("1", 0.4, "SnAp-2, GRU-128 75 %: share of the FMA peak of one core", share));
    goals
}

/// Goal 2: SnAp-1 against BPTT.
fn snap_1(results: &Results) -> Vec<Goal> {
    let bptt = seconds(results, GRU_DENSE, Method::Bptt, 1, T);
    let streaming = seconds(results, GRU_DENSE, SNAP_1, 1, 1);
    let window = seconds(results, GRU_DENSE, SNAP_1_WINDOW, 1, T);
    let jax = results.peers.seconds(Peer::Jax, &Row::new(GRU_DENSE, Method::Bptt, 1, T));
    vec![
        Goal::at_most("2", 1.2, "streaming SnAp-1, GRU-128: over our BPTT", ratio(streaming, bptt)),
        Goal::at_most("2", 1.0, "streaming SnAp-1, GRU-128: over JAX's BPTT", ratio(streaming, jax)),
        Goal::at_most("2", 0.8, "windowed SnAp-1, GRU-128, T = 128: over our BPTT", ratio(window, bptt)),
    ]
}

/// Goal 3: BPTT against JAX, and on a sparse net against a dense one.
fn bptt(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    for lanes in [1, 16] {
        let own = seconds(results, GRU_DENSE, Method::Bptt, lanes, T);
        let jax = results.peers.seconds(Peer::Jax, &Row::new(GRU_DENSE, Method::Bptt, lanes, T));
        goals.push(Goal::at_most(
            "3",
            1.0,
            format!("BPTT, GRU-128, B = {lanes}: over JAX's"),
            ratio(own, jax),
        ));
    }
    let sparse = seconds(results, VANILLA[2], Method::Bptt, 1, T);
    let dense = seconds(results, Net { sparsity: 0.0, ..VANILLA[2] }, Method::Bptt, 1, T);
    let jax = results.peers.seconds(Peer::Jax, &Row::new(VANILLA[2], Method::Bptt, 1, T));
    goals.push(Goal::at_least(
        "3",
        8.0,
        "BPTT, vanilla-512 98.4 %: times faster than our dense one",
        ratio(dense, sparse),
    ));
    let text = "BPTT, vanilla-512 98.4 %: times faster than JAX's (dense, masked)";
    goals.push(Goal::at_least("3", 8.0, text, ratio(jax, sparse)));
    goals
}

/// Goals 4 and 5: exact RTRL in windows against streaming, SnAp-2 in windows against BPTT.
fn exact(results: &Results) -> Vec<Goal> {
    let streaming = seconds(results, GRU_DENSE, Method::Rtrl(Way::STREAMING), 1, 1);
    let window = seconds(results, GRU_DENSE, Method::Rtrl(Way::CARRIED), 1, T);
    let snap = seconds(results, GRU_SPARSE, SNAP_2_WINDOW, 1, T);
    let bptt = seconds(results, GRU_SPARSE, Method::Bptt, 1, T);
    let text = "exact RTRL, GRU-128, T = 128: times faster than the product of D and J";
    vec![
        Goal::at_least("4", 20.0, text, ratio(streaming, window)),
        Goal::at_most(
            "5",
            15.0,
            "windowed SnAp-2 from a reset state, GRU-128 75 %: over our BPTT",
            ratio(snap, bptt),
        ),
    ]
}

/// Goal 6: many lanes and threads against one, and the language model from end to end.
fn lanes(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    let bptt = Row::new(GRU_DENSE, Method::Bptt, 16, T);
    let shared = results.plan.threads.iter().map(|[_, all]| *all).filter(|row| row.lanes > 1);
    for row in std::iter::once(bptt).chain(shared) {
        let one = seconds(results, row.net, row.method, 1, row.window);
        let expected = one.map(|one| one * row.lanes as f64 / row.threads as f64);
        let cores = if row.threads == 1 { "core" } else { "cores" };
        let text = format!("{row}: over {} times B = 1, by {} {cores}", row.lanes, row.threads);
        goals.push(Goal::at_most("6", 1.2, text, ratio(results.find(&row).map(|m| m.seconds), expected)));
    }
    let rate = |name| results.language_model.iter().find(|m| m.estimator == name).map(|m| m.rate);
    goals.push(Goal::at_most(
        "6",
        1.5,
        "language model, GRU-128, batch 64: time of SnAp-1 over BPTT",
        ratio(rate("BPTT"), rate("SnAp-1")),
    ));
    goals
}

/// Goal 7: cost per multiply-add of the largest net against the smallest.
fn scale(results: &Results) -> Vec<Goal> {
    let rows: Vec<&Measured> = results.plan.scale.iter().filter_map(|row| results.find(row)).collect();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let per_mac = |of: fn(&Measured) -> f64| Some(of(last) / last.macs / (of(first) / first.macs));
    let text =
        |what| format!("{}, SnAp-2: {what} per counted multiply-add over {}", last.row.net, first.row.net);
    vec![
        Goal::at_most("7", 2.0, text("time"), per_mac(|m| m.seconds)),
        Goal::at_most("7", 2.0, text("memory"), per_mac(|m| m.bytes as f64)),
    ]
}
