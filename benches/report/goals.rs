//! The goals: ratios within one run.

use rtrl_benches::{Kind, Measured, Method, Net, Row, Way};

use super::peers::Peer;
use super::results::{Goal, Results};

const GRU_DENSE: Net = Net::new(Kind::Gru, 128, 0.0);
const GRU_SPARSE: Net = Net::new(Kind::Gru, 128, 0.75);
const SNAP_2: Method = Method::Snap(2, Way::STREAMING);
/// Steps of a window.
const T: usize = 128;

/// All goals.
pub fn all(results: &Results) -> Vec<Goal> {
    let parts = [peers, dense, scale, bptt, threads, lanes, shares];
    parts.into_iter().flat_map(|part| part(results)).collect()
}

fn seconds(results: &Results, net: Net, method: Method, lanes: usize, window: usize) -> Option<f64> {
    results.find(&Row::new(net, method, lanes, window)).map(|measured| measured.seconds)
}

/// `a / b`, if both are known.
fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b?)
}

/// Goal 1: every row against the quickest form of the peers.
fn peers(results: &Results) -> Vec<Goal> {
    let own = |row: &Row| results.find(row).map(|measured| measured.seconds);
    let jax = results.peers.times(Peer::Jax).map(|(row, seconds)| {
        let bound = match row.method {
            _ if row.adam => 2.0,
            Method::Bptt | Method::Snap(1, _) => 1.5,
            Method::Snap(..) => 10.0,
            _ => 1.0,
        };
        Goal::at_least("1", bound, format!("{row}: times faster than JAX"), ratio(Some(seconds), own(&row)))
    });
    let braintrace = results.peers.times(Peer::Braintrace).map(|(row, seconds)| {
        let text = format!("{row}: times faster than braintrace");
        Goal::at_least("1", 300.0, text, ratio(Some(seconds), own(&row)))
    });
    // On as many threads as the peer may use.
    let threads = results.plan.threads.iter().filter_map(|[one, all]| {
        let seconds = results.peers.times(Peer::Jax).find(|(row, _)| row == one && one.method == SNAP_2)?.1;
        let text = format!("{all}: times faster than JAX");
        Some(Goal::at_least("1", 10.0, text, ratio(Some(seconds), own(all))))
    });
    jax.chain(braintrace).chain(threads).collect()
}

/// Goal 2: no sparse net slower than the dense one; of all sparsities the worst.
fn dense(results: &Results) -> Vec<Goal> {
    let like = |a: &Row, b: &Row| (a.net.kind, a.method, a.lanes) == (b.net.kind, b.method, b.lanes);
    let time = |row: &Row| results.find(row).map(|measured| measured.seconds);
    let mut goals = Vec::new();
    for same in results.plan.dense.chunk_by(|a, b| like(&a[0], &b[0])) {
        let ratios =
            same.iter().filter_map(|[sparse, dense]| Some((sparse, ratio(time(sparse), time(dense))?)));
        if let Some((row, worst)) = ratios.max_by(|a, b| a.1.total_cmp(&b.1)) {
            let text = format!("{row}, the worst of all sparsities: over the dense net");
            goals.push(Goal::at_most("2", 1.0, text, Some(worst)));
        }
    }
    goals
}

/// Goal 4: estimators against BPTT, and exact RTRL in windows against streaming.
fn bptt(results: &Results) -> Vec<Goal> {
    let of = |net, method, window| seconds(results, net, method, 1, window);
    let dense = of(GRU_DENSE, Method::Bptt, T);
    let sparse = of(GRU_SPARSE, Method::Bptt, T);
    let [streaming, window] = [Way::STREAMING, Way::RESET].map(|way| Method::Snap(1, way));
    let rtrl = [(Way::STREAMING, 1), (Way::CARRIED, T)].map(|(way, t)| of(GRU_DENSE, Method::Rtrl(way), t));
    let text = "exact RTRL, GRU-128, T = 128: times faster than the product of D and J";
    vec![
        Goal::at_most(
            "4",
            1.2,
            "streaming SnAp-1, GRU-128: over BPTT",
            ratio(of(GRU_DENSE, streaming, 1), dense),
        ),
        Goal::at_most("4", 3.0, "UORO, GRU-128: over BPTT", ratio(of(GRU_DENSE, Method::Uoro, 1), dense)),
        Goal::at_most(
            "4",
            0.8,
            "windowed SnAp-1, GRU-128, T = 128: over BPTT",
            ratio(of(GRU_DENSE, window, T), dense),
        ),
        Goal::at_least("4", 20.0, text, ratio(rtrl[0], rtrl[1])),
        Goal::at_most(
            "4",
            15.0,
            "windowed SnAp-2 from a reset state, GRU-128 75 %: over BPTT",
            ratio(of(GRU_SPARSE, Method::Snap(2, Way::RESET), T), sparse),
        ),
    ]
}

/// Goal 5: threads on SnAp-2.
fn threads(results: &Results) -> Vec<Goal> {
    let rows = results.plan.threads.iter().filter(|[one, _]| matches!(one.method, Method::Snap(2, _)));
    let goal = |[one, all]: &[Row; 2]| {
        let [one, time] = [one, all].map(|row| results.find(row).map(|m| m.seconds));
        Goal::at_least(
            "5",
            0.85 * all.threads as f64,
            format!("{all}: times faster than one thread"),
            ratio(one, time),
        )
    };
    rows.map(goal).collect()
}

/// Goal 7: SnAp-2 against what the machine can do, and what sparsity saves in BPTT.
fn shares(results: &Results) -> Vec<Goal> {
    let rate = results.find(&Row::new(GRU_SPARSE, SNAP_2, 1, 1)).map(Measured::rate);
    let share = rate.map(|rate| rate / results.ceilings.peak(1));
    let sparse = Net::new(Kind::Vanilla, 512, 0.984);
    let of = |net| seconds(results, net, Method::Bptt, 1, T);
    let dense = Net { sparsity: 0.0, ..sparse };
    let jax = |net| {
        let row = Row::new(net, Method::Bptt, 1, T);
        results.peers.times(Peer::Jax).find(|(timed, _)| *timed == row).map(|(_, seconds)| seconds)
    };
    let snap_1 = seconds(results, GRU_DENSE, Method::Snap(1, Way::STREAMING), 1, 1);
    let text = |what| format!("BPTT, vanilla-512 98.4 %: times faster than {what}");
    vec![
        Goal::at_least("7", 15.0, "SnAp-2, GRU-128 75 %: GMAC/s on one core", rate.map(|rate| rate / 1e9)),
        Goal::at_least("7", 0.4, "SnAp-2, GRU-128 75 %: share of the FMA peak of one core", share),
        Goal::at_least("7", 8.0, text("the dense net"), ratio(of(dense), of(sparse))),
        Goal::at_least("7", 8.0, text("JAX's (dense, masked)"), ratio(jax(sparse), of(sparse))),
        Goal::at_most("7", 1.0, "streaming SnAp-1, GRU-128: over JAX's BPTT", ratio(snap_1, jax(GRU_DENSE))),
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

/// Goal 3: cost per multiply-add of the largest net against the smallest, and the bandwidth that it reaches.
fn scale(results: &Results) -> Vec<Goal> {
    let rows: Vec<&Measured> = results.plan.scale.iter().filter_map(|row| results.find(row)).collect();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let per_mac = |of: fn(&Measured) -> f64| Some(of(last) / last.macs / (of(first) / first.macs));
    let text =
        |what| format!("{}, SnAp-2: {what} per counted multiply-add over {}", last.row.net, first.row.net);
    let bandwidth = last.traffic / last.seconds / results.ceilings.bandwidth(last.working_set).one;
    vec![
        Goal::at_most("3", 2.0, text("time"), per_mac(|m| m.seconds)),
        Goal::at_most("3", 2.0, text("memory"), per_mac(|m| m.bytes as f64)),
        Goal::at_least(
            "3",
            0.5,
            format!("{}, SnAp-2: share of the bandwidth", last.row.net),
            Some(bandwidth),
        ),
    ]
}
