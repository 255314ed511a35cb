//! The table of rows: which nets, under which estimators, in how many lanes, with which windows.

use rtrl_estimators::Schedule;
use serde::Serialize;

use crate::row::{Kind, Method, Net, Row, Way};

/// Steps of a window, where nothing else is said.
const WINDOW: usize = 128;

const GRU_DENSE: Net = Net::new(Kind::Gru, 128, 0.0);
const GRU_SPARSE: Net = Net::new(Kind::Gru, 128, 0.75);
const LSTM_SPARSE: Net = Net::new(Kind::Lstm, 128, 0.75);
/// Vanilla nets of about equal numbers of weights.
const VANILLA: [Net; 3] = [
    Net::new(Kind::Vanilla, 128, 0.75),
    Net::new(Kind::Vanilla, 256, 0.9375),
    Net::new(Kind::Vanilla, 512, 0.984),
];

const fn snap(order: usize, way: Way) -> Method {
    Method::Snap(order, way)
}

/// Shares of recurrent weights that do not exist, from nearly dense to the sparsest nets in use.
const SPARSITIES: [f64; 6] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99];

/// Pairs of rows, a sparse net and the dense one of the same size: estimators that are defined for both, in one lane and in
/// sixteen. Exact RTRL and SnAp-2 of a dense net are far too slow to be compared with.
pub fn sparse_and_dense(quick: bool) -> Vec<[Row; 2]> {
    let kinds: &[Kind] = if quick { &[Kind::Gru] } else { &[Kind::Vanilla, Kind::Gru, Kind::Lstm] };
    let sparsities = if quick { &SPARSITIES[3..4] } else { &SPARSITIES[..] };
    let methods =
        [(Method::Bptt, WINDOW), (snap(1, Way::STREAMING), 1), (Method::Uoro, 1), (Method::KfRtrl, 1)];
    let mut pairs = Vec::new();
    for &kind in kinds {
        for (method, window) in methods {
            for lanes in [1, 16] {
                for &sparsity in sparsities {
                    let of = |sparsity| Row::new(Net::new(kind, 128, sparsity), method, lanes, window);
                    pairs.push([of(sparsity), of(0.0)]);
                }
            }
        }
    }
    pairs
}

/// Time per step: estimators on nets, in one lane and in sixteen.
pub fn steps(quick: bool) -> Vec<Row> {
    let row = |net, method, lanes, window| Row::new(net, method, lanes, window);
    let (streaming, reset) = (Way::STREAMING, Way::RESET);
    let mut rows = vec![row(Net::new(Kind::Vanilla, 512, 0.0), Method::Bptt, 1, WINDOW)];
    for lanes in [1, 16] {
        for net in [GRU_DENSE, GRU_SPARSE, LSTM_SPARSE].into_iter().chain(VANILLA) {
            let dense = net.sparsity == 0.0;
            if quick && net.kind == Kind::Lstm {
                continue;
            }
            rows.push(row(net, Method::Bptt, lanes, WINDOW));
            rows.push(row(net, snap(1, streaming), lanes, 1));
            rows.push(row(net, snap(1, streaming), lanes, 1).with_adam());
            rows.push(row(net, snap(1, reset), lanes, WINDOW));
            if !dense {
                rows.push(row(net, snap(2, streaming), lanes, 1));
                rows.push(row(net, snap(2, reset), lanes, WINDOW));
            }
            if quick {
                continue;
            }
            rows.push(row(net, snap(1, Way::CARRIED), lanes, WINDOW));
            rows.push(row(net, Method::Rtrl(reset), lanes, WINDOW));
            let others = [Method::Frozen, Method::Rflo, Method::Eprop, Method::Uoro, Method::KfRtrl];
            rows.extend(others.map(|method| row(net, method, lanes, 1)));
        }
    }
    // Exact RTRL that carries J: streaming multiplies D with all of J, the adjoint forms one product of
    // transitions for all rows.
    rows.push(row(GRU_DENSE, Method::Rtrl(streaming), 1, 1));
    rows.push(row(GRU_DENSE, Method::Rtrl(Way::CARRIED), 1, WINDOW));
    rows
}

/// One line of a figure: time of a step of one lane against some size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Label of the line.
    pub label: String,
    /// Pairs of a size and the row that has it.
    pub points: Vec<(f64, Row)>,
}

/// How times grow with one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    /// A name for files.
    pub id: &'static str,
    /// The size that varies, for the axis.
    pub axis: &'static str,
    /// What all rows have in common.
    pub setup: &'static str,
    /// One line for each estimator.
    pub lines: Vec<Line>,
}

/// How times grow with k, n, sparsity, B and T.
pub fn scalings(quick: bool) -> Vec<Scaling> {
    let line = |sizes: &[f64], method: Method, row: &dyn Fn(f64, Method) -> Row| Line {
        label: method.to_string(),
        points: sizes.iter().map(|&x| (x, row(x, method))).collect(),
    };
    let all = |sizes: &[f64], methods: &[Method], row: &dyn Fn(f64, Method) -> Row| -> Vec<Line> {
        methods.iter().map(|&method| line(sizes, method, row)).collect()
    };
    let usual = [Method::Bptt, snap(1, Way::STREAMING), snap(2, Way::STREAMING), snap(2, Way::RESET)];
    let window = |method: Method| match method {
        Method::Bptt => WINDOW,
        Method::Snap(_, way) | Method::Rtrl(way) if way.schedule != Schedule::Streaming => WINDOW,
        _ => 1,
    };
    let up_to = |sizes: &'static [f64]| if quick { &sizes[..3] } else { sizes };
    let vanilla = |units, sparsity| Net::new(Kind::Vanilla, units, sparsity);
    let orders = |way: Way, last: usize| Line {
        label: way.to_string(),
        points: (1..=last)
            .map(|n| (n as f64, snap(n, way)))
            .map(|(n, method)| (n, Row::new(VANILLA[2], method, 1, window(method))))
            .collect(),
    };
    vec![
        Scaling {
            id: "units",
            axis: "units k",
            setup: "Vanilla nets, 75 % sparse, one lane.",
            lines: all(up_to(&[32.0, 64.0, 128.0, 256.0, 512.0]), &usual, &|k, method| {
                Row::new(vanilla(k as usize, 0.75), method, 1, window(method))
            }),
        },
        Scaling {
            id: "order",
            axis: "order n of SnAp-n",
            setup: "A vanilla net of 512 units, 98.4 % sparse, one lane.",
            lines: vec![
                orders(Way::STREAMING, if quick { 3 } else { 4 }),
                orders(Way::RESET, if quick { 3 } else { 5 }),
            ],
        },
        Scaling {
            id: "density",
            axis: "share of recurrent weights that exist",
            setup: "Vanilla nets of 256 units, one lane.",
            lines: all(up_to(&[0.015625, 0.03125, 0.0625, 0.125, 0.25, 0.5]), &usual, &|density, method| {
                Row::new(vanilla(256, 1.0 - density), method, 1, window(method))
            }),
        },
        Scaling {
            id: "lanes",
            axis: "lanes B",
            setup: "A vanilla net of 512 units, 98.4 % sparse.",
            lines: all(up_to(&[1.0, 2.0, 4.0, 10.0, 16.0, 64.0]), &usual, &|lanes, method| {
                Row::new(VANILLA[2], method, lanes as usize, window(method))
            }),
        },
        Scaling {
            id: "window",
            axis: "steps of a window T",
            setup: "A GRU of 128 units, 75 % sparse, one lane.",
            lines: all(
                up_to(&[4.0, 16.0, 64.0, 256.0]),
                &[Method::Bptt, snap(1, Way::CARRIED), snap(1, Way::RESET), snap(2, Way::RESET)],
                &|steps, method| Row::new(GRU_SPARSE, method, 1, steps as usize),
            ),
        },
    ]
}

/// Cases for the choice of a schedule. Each has four rows: the choice of the cost model, then each schedule by
/// itself.
pub fn schedules(quick: bool) -> Vec<[Row; 4]> {
    let sparse = Net::new(Kind::Gru, 48, 0.9);
    let small = Net::new(Kind::Vanilla, 128, 0.9375);
    let rtrl = |way| Method::Rtrl(way);
    let (snap_1, snap_2, snap_3) = (|way| snap(1, way), |way| snap(2, way), |way| snap(3, way));
    type Order = fn(Way) -> Method;
    let cases: Vec<(Net, Order, usize, usize, bool)> = vec![
        (GRU_DENSE, snap_1, 1, 32, false),
        (GRU_DENSE, snap_1, 16, 32, false),
        (sparse, snap_2, 1, 8, false),
        (sparse, snap_2, 1, 32, false),
        (sparse, snap_2, 16, 32, false),
        (sparse, snap_3, 1, 32, false),
        (sparse, snap_3, 1, 32, true),
        (sparse, rtrl, 1, 8, false),
        (sparse, rtrl, 1, 64, false),
        (small, snap_2, 1, 2, true),
        (small, snap_2, 1, 32, true),
        (small, snap_2, 16, 2, true),
        (small, snap_2, 16, 32, false),
        (VANILLA[0], snap_2, 1, 16, false),
        (VANILLA[0], snap_2, 1, 16, true),
        (VANILLA[1], snap_2, 1, 16, false),
        (VANILLA[1], rtrl, 1, 16, false),
        (VANILLA[2], snap_2, 1, 16, false),
        (VANILLA[2], snap_2, 16, 16, false),
        (VANILLA[2], snap_3, 1, 16, true),
        (Net::new(Kind::Vanilla, 48, 0.0), rtrl, 1, 16, false),
        (Net::new(Kind::Vanilla, 48, 0.0), rtrl, 16, 16, false),
    ];
    let kept = if quick { 6 } else { cases.len() };
    let case = |&(net, method, lanes, window, reset): &(Net, Order, usize, usize, bool)| {
        let all = [Schedule::Auto, Schedule::Streaming, Schedule::Blocked, Schedule::Adjoint];
        all.map(|schedule| Row::new(net, method(Way { schedule, reset }), lanes, window))
    };
    cases.iter().take(kept).map(case).collect()
}

/// Pairs of rows that do the same work: on one thread, and on `cores` threads.
pub fn threads(cores: usize) -> Vec<[Row; 2]> {
    let cases = [
        (VANILLA[0], snap(2, Way::STREAMING), 16, 1),
        (VANILLA[1], snap(2, Way::STREAMING), 16, 1),
        (VANILLA[2], snap(2, Way::STREAMING), 16, 1),
        (GRU_SPARSE, snap(2, Way::STREAMING), 1, 1),
        (VANILLA[0], snap(2, Way::STREAMING), 1, 1),
        (VANILLA[1], snap(2, Way::STREAMING), 1, 1),
        (VANILLA[2], snap(2, Way::STREAMING), 1, 1),
        (GRU_SPARSE, snap(2, Way::RESET), 16, WINDOW),
        (GRU_DENSE, snap(1, Way::STREAMING), 16, 1),
        (GRU_DENSE, snap(1, Way::RESET), 16, WINDOW),
        (GRU_DENSE, Method::Rtrl(Way::STREAMING), 1, 1),
    ];
    let case = |(net, method, lanes, window)| {
        let one = Row::new(net, method, lanes, window);
        [one, Row { threads: cores, ..one }]
    };
    cases.map(case).into()
}

/// Vanilla nets of growing size, up to what a present machine trains online, with 16.384 recurrent weights for
/// each unit.
pub fn scale(quick: bool) -> Vec<Row> {
    let units: &[usize] = if quick { &[1024, 2048] } else { &[1024, 2048, 4096, 8192, 16_384] };
    let net = |&units: &usize| Net::new(Kind::Vanilla, units, 1.0 - 16.384 / units as f64);
    units.iter().map(net).map(|net| Row::new(net, snap(2, Way::STREAMING), 1, 1)).collect()
}

/// Each row once, in batches of the same net and number of lanes, whose rows are timed in turn.
pub fn batches(rows: impl IntoIterator<Item = Row>) -> Vec<Vec<Row>> {
    let mut batches: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let like = |batch: &&mut Vec<Row>| batch[0].net == row.net && batch[0].lanes == row.lanes;
        match batches.iter_mut().find(like) {
            Some(batch) if batch.contains(&row) => {}
            Some(batch) => batch.push(row),
            None => batches.push(vec![row]),
        }
    }
    batches
}
