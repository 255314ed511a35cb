//! Draws the state of a run on the whole terminal.

use indicatif::{HumanCount, HumanDuration};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::{Marker, line};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, LegendPosition, LineGauge, Paragraph};

use super::state::{Curve, State};

/// Height of the area for charts, in rows, from which on the level has a chart of its own.
const TALL: u16 = 20;

const TRAIN: Color = Color::Cyan;
const HELD_OUT: Color = Color::Yellow;
const LEVEL: Color = Color::Green;

/// Draws the state into all of the frame; `stopping` once the run was asked to stop.
pub fn draw(frame: &mut Frame<'_>, state: &State, stopping: bool) {
    let rows = [Constraint::Length(2), Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)];
    let [head, gauge, charts, foot] = frame.area().layout(&Layout::vertical(rows));
    frame.render_widget(Paragraph::new(vec![title(state), place(state)]), head);
    let ratio = state.step as f64 / state.steps.max(1) as f64;
    let bar = LineGauge::default().ratio(ratio.clamp(0.0, 1.0)).filled_style(Style::new().fg(TRAIN));
    // The two parts of the bar differ in thickness, so that they can be told apart without colors.
    let bar = bar.filled_symbol(line::THICK_HORIZONTAL).unfilled_symbol(line::HORIZONTAL);
    frame.render_widget(bar.label(format!("{:>3.0} %", 100.0 * ratio)), gauge);
    draw_charts(frame, charts, state);
    frame.render_widget(Line::styled(advice(state, stopping), Modifier::DIM), foot);
}

/// The name of the run, and whether it was resumed or rolled back.
fn title(state: &State) -> Line<'_> {
    let mut line = Line::from(Span::styled(state.name.as_str(), Modifier::BOLD));
    if state.resumed_at > 0 {
        line.push_span(format!("   gone on from step {}", HumanCount(state.resumed_at)));
    }
    if state.rolled_back > 0 {
        line.push_span(format!("   rolled back {} times", state.rolled_back));
    }
    line
}

/// Steps made, speed, time left, learning rate.
fn place(state: &State) -> Line<'static> {
    let (speed, left) = state.speed();
    let parts = [
        format!("step {} of {}", HumanCount(state.step), HumanCount(state.steps)),
        format!("{} steps/s", HumanCount(speed.round() as u64)),
        format!("{} left", HumanDuration(left)),
        format!("learning rate {}", number(state.learning_rate)),
    ];
    Line::raw(parts.join("   "))
}

fn advice(state: &State, stopping: bool) -> &'static str {
    if stopping {
        "stopping with a checkpoint after this window; once more: at once, without one"
    } else if state.step >= state.steps {
        "trained; the net is saved and evaluated"
    } else {
        "q or Ctrl-C: stop with a checkpoint, from which the same command goes on"
    }
}

fn draw_charts(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let measure = if state.bits { "bits per target" } else { "squared error" };
    let losses = [("train", TRAIN, &state.train), ("held out", HELD_OUT, &state.held_out)];
    if state.level.points().is_empty() || area.height < TALL {
        return chart(frame, area, state, measure, &losses);
    }
    let [upper, lower] = area.layout(&Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]));
    chart(frame, upper, state, measure, &losses);
    chart(frame, lower, state, "level of the curriculum", &[("level", LEVEL, &state.level)]);
}

/// Curves over the time steps made; squared errors on a logarithmic axis.
fn chart(frame: &mut Frame<'_>, area: Rect, state: &State, measure: &str, curves: &[(&str, Color, &Curve)]) {
    let mut title = vec![Span::raw(measure)];
    for (name, color, curve) in curves {
        let last = curve.last().map(|last| format!("   {name} {}", number(last)));
        title.extend(last.map(|text| Span::styled(text, *color)));
    }
    let block = Block::bordered().title(Line::from(title));
    let scale = Scale { logarithmic: !state.bits && measure != "level of the curriculum" };
    let scaled: Vec<Vec<(f64, f64)>> =
        curves.iter().map(|(.., curve)| scale.points(curve.points())).collect();
    let several = scaled.iter().filter(|points| !points.is_empty()).count() > 1;
    let end = state.step.max(1) as f64;
    let Some((low, high)) = range(&scaled, end) else {
        let text = "the first point comes with the first record (training.log_every)";
        return frame.render_widget(Paragraph::new(text).block(block), area);
    };
    let lines = curves.iter().zip(&scaled).filter(|(_, points)| !points.is_empty());
    let lines = lines.map(|((name, color, _), points)| {
        let line = Dataset::default().name(*name).style(*color).data(points);
        line.marker(Marker::Braille).graph_type(GraphType::Line)
    });
    let steps = [0, state.step / 2, state.step.max(1)].map(|step| HumanCount(step).to_string());
    let heights = [low, (low + high) / 2.0, high].map(|y| number(scale.inverse(y)));
    let dim = Style::new().add_modifier(Modifier::DIM);
    let drawn = Chart::new(lines.collect())
        .block(block)
        .x_axis(Axis::default().bounds([0.0, end]).labels(steps).style(dim))
        .y_axis(Axis::default().bounds([low, high]).labels(heights).style(dim))
        .legend_position(several.then_some(LegendPosition::TopRight));
    frame.render_widget(drawn, area);
}

#[derive(Clone, Copy)]
struct Scale {
    logarithmic: bool,
}

impl Scale {
    /// Points in units of the axis. A logarithmic axis leaves out values that are not positive.
    fn points(self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        if !self.logarithmic {
            return points.to_vec();
        }
        points.iter().filter(|(_, y)| *y > 0.0).map(|&(x, y)| (x, y.log10())).collect()
    }

    fn inverse(self, y: f64) -> f64 {
        if self.logarithmic { 10_f64.powf(y) } else { y }
    }
}

/// Ends of the vertical axis for points up to step `end`: least and greatest value, a little apart if they are
/// equal. Points in the first tenth of the steps do not raise the upper end, unless there are no others: the loss
/// of an untrained net would flatten the rest of the curve.
fn range(points: &[Vec<(f64, f64)>], end: f64) -> Option<(f64, f64)> {
    let greatest = |from: f64| {
        let later = points.iter().flatten().filter(|point| point.0 >= from);
        later.map(|point| point.1).reduce(f64::max)
    };
    let low = points.iter().flatten().map(|point| point.1).reduce(f64::min)?;
    let high = greatest(0.1 * end).or_else(|| greatest(0.0))?;
    let margin = if high - low > 1e-9 { 0.0 } else { 0.1 * high.abs().max(1.0) };
    Some((low - margin, high + margin))
}

/// A number in few characters: one, three or six decimals, more for smaller numbers, without trailing zeros; in
/// scientific form below 1e-4 and from 1e5 on.
fn number(x: f64) -> String {
    let fixed = |decimals: usize| format!("{x:.decimals$}");
    let text = match x.abs() {
        0.0 => fixed(1),
        magnitude if !(1e-4..1e5).contains(&magnitude) => return format!("{x:.2e}"),
        magnitude if magnitude >= 100.0 => fixed(1),
        magnitude if magnitude >= 0.1 => fixed(3),
        _ => fixed(6),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressBar;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use rtrl_train::{Progress, Record};

    use super::*;

    /// The screen of a run that has made these records, on a terminal of this size (columns, rows).
    fn drawn(size: (u16, u16), records: &[&str], stopping: bool) -> String {
        let mut state = State::new(
            "runs/copy-0123".into(),
            ProgressBar::with_draw_target(Some(1000), indicatif::ProgressDrawTarget::hidden()),
        );
        for text in records {
            let record: Record = serde_json::from_str(text).unwrap();
            let step = record.step;
            let (resumed_at, learning_rate) = (200, 0.002);
            let record = Some(record);
            let progress =
                Progress { step, steps: 1000, resumed_at, resumed_from: None, learning_rate, record };
            state.advance(&progress);
        }
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        terminal.draw(|frame| draw(frame, &state, stopping)).unwrap();
        terminal.backend().to_string()
    }

    const FALLING: [&str; 3] = [
        r#"{"step":300,"characters":300,"bits":4.0,"valid_bits":5.0,"level":1,"seconds":0}"#,
        r#"{"step":400,"characters":400,"bits":2.0,"valid_bits":3.0,"level":2,"seconds":0}"#,
        r#"{"step":500,"characters":500,"bits":1.0,"valid_bits":1.5,"level":7,"seconds":0}"#,
    ];

    /// Columns and rows of the screen that hold dots of Braille.
    fn dots(screen: &str) -> Vec<(usize, usize)> {
        let braille = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
        let row = |(y, line): (usize, &str)| -> Vec<_> {
            line.chars().enumerate().filter(|(_, c)| braille(*c)).map(|(x, _)| (x, y)).collect()
        };
        screen.lines().enumerate().flat_map(row).collect()
    }

    #[test]
    fn numbers_of_the_last_record_and_curves_that_fall() {
        let screen = drawn((120, 18), &FALLING, false);
        for part in [
            "runs/copy-0123",
            "step 500 of 1,000",
            " 50 %",
            "learning rate 0.002",
            "gone on from step 200",
            "bits per target   train 1   held out 1.5",
            "q or Ctrl-C",
        ] {
            assert!(screen.contains(part), "{part}:\n{screen}");
        }
        // The terminal is too low for a second chart. The loss falls from left to right, and so do the dots.
        assert!(!screen.contains("curriculum"), "{screen}");
        let dots = dots(&screen);
        let highest = |x: usize| dots.iter().filter(|dot| dot.0 == x).map(|dot| dot.1).min();
        let (left, right) =
            (dots.iter().map(|dot| dot.0).min().unwrap(), dots.iter().map(|dot| dot.0).max().unwrap());
        assert!(right - left > 30 && highest(left) < highest(right), "{screen}");
    }

    #[test]
    fn a_level_has_a_chart_of_its_own_where_there_is_room() {
        let screen = drawn((80, 40), &FALLING, true);
        assert!(screen.contains("level of the curriculum   level 7"), "{screen}");
        assert!(screen.contains("stopping with a checkpoint"), "{screen}");
    }

    #[test]
    fn squared_errors_lie_on_a_logarithmic_axis() {
        let errors = [1.0, 0.1, 0.01, 0.001].iter().enumerate().map(|(i, error)| {
            format!(r#"{{"step":{},"characters":1,"error":{error},"seconds":0}}"#, 250 * (i + 1))
        });
        let errors: Vec<String> = errors.collect();
        let errors: Vec<&str> = errors.iter().map(String::as_str).collect();
        let screen = drawn((90, 30), &errors, false);
        for part in ["squared error   train 0.001", "│0.031623", "trained"] {
            assert!(screen.contains(part), "{part}:\n{screen}");
        }
        // A straight line: its middle column is in the middle row.
        let dots = dots(&screen);
        let bounds = |of: fn(&(usize, usize)) -> usize| {
            (dots.iter().map(of).min().unwrap(), dots.iter().map(of).max().unwrap())
        };
        let ((left, right), (top, bottom)) = (bounds(|dot| dot.0), bounds(|dot| dot.1));
        let middle = dots.iter().filter(|dot| dot.0 == left.midpoint(right)).map(|dot| dot.1);
        assert!(
            middle.clone().all(|y| y.abs_diff(top.midpoint(bottom)) <= 1) && middle.count() > 0,
            "{screen}"
        );
    }

    #[test]
    fn a_beginning_that_is_far_off_flattens_nothing() {
        let points = |x: &[(f64, f64)]| vec![x.to_vec(), Vec::new()];
        assert_eq!(range(&points(&[(1.0, 8.0), (50.0, 3.0), (100.0, 2.0)]), 100.0), Some((2.0, 3.0)));
        assert_eq!(range(&points(&[(1.0, 8.0), (2.0, 7.0)]), 100.0), Some((7.0, 8.0)));
        assert_eq!(range(&points(&[(50.0, 2.0)]), 100.0), Some((1.8, 2.2)));
        assert_eq!(range(&points(&[]), 100.0), None);
    }

    #[test]
    fn numbers_are_short() {
        let found = [0.0, 1.0, 2.9504, 0.002, 0.00316228, 1e-5, -12.5, 137.25, 2.5e6].map(number);
        assert_eq!(found, ["0", "1", "2.95", "0.002", "0.003162", "1.00e-5", "-12.5", "137.2", "2.50e6"]);
    }

    #[test]
    fn every_size_and_every_content_can_be_drawn() {
        let constant = r#"{"step":300,"characters":300,"error":0.0,"seconds":0}"#;
        for size in [(1, 1), (2, 3), (10, 4), (20, 8), (80, 24), (400, 120)] {
            for records in [&[][..], &FALLING[..1], &FALLING, &[constant]] {
                drawn(size, records, false);
            }
        }
        assert!(drawn((80, 24), &[], false).contains("training.log_every"));
    }
}
