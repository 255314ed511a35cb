//! Charts of the cost of estimators, as they count it themselves.

use std::sync::Arc;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, Inputs, Size, Stack};
use rtrl_estimators::{
    BpttConfig, EstimatorConfig, KfRtrlConfig, RtrlConfig, Schedule, SnapConfig, UoroConfig,
};

use rtrl_report::{Axis, Figure, Point, Series};

/// A GRU with 16 dense inputs.
fn net(units: usize, sparsity: f64) -> Result<Arc<Stack<f32>>, String> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let cell = CellConfig::Gru(Size::sparse(units, sparsity)).build(Inputs::Dense(16), &mut rng);
    Ok(Arc::new(cell.and_then(|cell| Stack::new(vec![cell])).map_err(|error| error.to_string())?))
}

/// Multiply-adds per step of one lane.
fn macs(net: &Arc<Stack<f32>>, config: &EstimatorConfig, window: usize) -> Result<f64, String> {
    config.build(net.clone(), 1, window).map(|e| e.cost().macs()).map_err(|error| error.to_string())
}

fn snap(order: usize, schedule: Schedule, truncate: bool) -> EstimatorConfig {
    SnapConfig { schedule, truncate, ..SnapConfig::new(order) }.into()
}

/// All charts.
pub fn all() -> Result<Vec<Figure>, String> {
    let by_size =
        [("cost-dense", "dense", 0.0), ("cost-75", "75 % sparse", 0.75), ("cost-94", "94 % sparse", 0.9375)];
    let mut charts =
        by_size.map(|(id, what, s)| by_size_chart(id, what, s)).into_iter().collect::<Result<Vec<_>, _>>()?;
    charts.push(by_window()?);
    Ok(charts)
}

fn axis(label: &str) -> Axis {
    Axis::log(label)
}

fn figure(id: &str, caption: String, x: &str, series: Vec<Series>) -> Figure {
    let (x, y) = (axis(x), axis("multiply-adds per step and lane"));
    Figure {
        id: id.to_string(),
        caption,
        x,
        y,
        seeds: Vec::new(),
        series,
        references: Vec::new(),
        yardsticks: Vec::new(),
    }
}

/// One line, from the value at each x.
fn series(label: &str, at: &[usize], value: impl Fn(usize) -> Result<f64, String>) -> Result<Series, String> {
    let point = |&x: &usize| Ok(Point { x: x as f64, y: vec![value(x)?] });
    let points = at.iter().map(point).collect::<Result<_, String>>()?;
    Ok(Series { label: label.to_string(), points })
}

fn by_size_chart(id: &str, what: &str, sparsity: f64) -> Result<Figure, String> {
    let streaming = Schedule::Streaming;
    let rtrl = EstimatorConfig::from(RtrlConfig { schedule: streaming, ..RtrlConfig::default() });
    let lines = [
        ("RTRL", rtrl, 1),
        ("SnAp-2", snap(2, streaming, false), 1),
        ("KF-RTRL", KfRtrlConfig::default().into(), 1),
        ("SnAp-2, from reset", snap(2, Schedule::Adjoint, true), 24),
        ("UORO", UoroConfig::default().into(), 1),
        ("SnAp-1", snap(1, streaming, false), 1),
        ("BPTT", BpttConfig {}.into(), 24),
    ];
    let lines = lines.iter().map(|(label, config, window)| {
        series(label, &[16, 32, 64, 128], |units| macs(&net(units, sparsity)?, config, *window))
    });
    let caption = format!("Counted cost of a GRU with 16 inputs, recurrent weights {what}");
    Ok(figure(id, caption, "units", lines.collect::<Result<_, _>>()?))
}

fn by_window() -> Result<Figure, String> {
    let net = net(48, 0.9)?;
    let lines = [
        ("streaming, blocked", snap(2, Schedule::Streaming, false)),
        ("adjoint, carried", snap(2, Schedule::Adjoint, false)),
        ("adjoint, from reset", snap(2, Schedule::Adjoint, true)),
        ("BPTT", BpttConfig {}.into()),
    ];
    let windows = [1, 2, 4, 8, 16, 32, 64];
    let lines =
        lines.iter().map(|(label, config)| series(label, &windows, |window| macs(&net, config, window)));
    let caption = "SnAp-2 on a GRU of 48 units, 90 % sparse, by schedule".to_string();
    Ok(figure("window", caption, "steps of a window, T", lines.collect::<Result<_, _>>()?))
}
