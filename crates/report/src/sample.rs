//! A realistic report, for tests and for looking at its design.

use super::condition::Verdict;
use super::model::*;

/// The curriculum of the copy task and bits per character of a language model, three seeds each.
pub(super) fn report() -> Report {
    Report {
        title: "Real-time recurrent learning: what the runs show".to_owned(),
        profile: "quick".to_owned(),
        command: "cargo xtask reproduce copy lm --profile quick --seeds 3".to_owned(),
        environment: Environment {
            rtrl_version: "0.1.0".to_owned(),
            commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
            rustc: "rustc 1.95.0 (f2d3ce0bd 2026-03-21)".to_owned(),
            os: "Debian GNU/Linux 12, Linux 6.1".to_owned(),
            cpu: "Example CPU @ 2.40GHz".to_owned(),
            cores: 2,
            memory_bytes: 16_700_000_000,
            isa: "AVX2 and FMA".to_owned(),
        },
        experiments: vec![copy(), lm()],
        not_run: Vec::new(),
    }
}

/// Repeatable noise in -0.5..0.5.
fn noise(seed: usize, step: usize) -> f64 {
    let bits =
        (seed as u64 * 0x9E37_79B9 + step as u64 * 0x85EB_CA6B + 1).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    (bits >> 11) as f64 / (1u64 << 53) as f64 - 0.5
}

fn series(label: &str, xs: &[f64], value: impl Fn(f64, usize, usize) -> f64) -> Series {
    let points =
        xs.iter().enumerate().map(|(i, &x)| Point { x, y: (0..3).map(|s| value(x, i, s)).collect() });
    Series { label: label.to_owned(), points: points.collect() }
}

fn axis(label: &str, log: bool) -> Axis {
    Axis { label: label.to_owned(), log, whole: false }
}

pub(super) fn copy_figure() -> Figure {
    let xs: Vec<f64> = (0..=40).map(|i| f64::from(i) * 50_000.0).collect();
    let level = |rate: f64| {
        move |x: f64, i: usize, seed: usize| {
            (1.0 + rate * (x / 1e5) * (1.0 + 0.5 * noise(seed, 7)) + 0.8 * noise(seed, i)).max(1.0).round()
        }
    };
    Figure {
        id: "copy-curriculum".to_owned(),
        caption: "Curriculum length reached on the copy task; higher is better.".to_owned(),
        x: axis("data time (characters)", false),
        y: axis("curriculum length L", false),
        seeds: vec![0, 1, 2],
        series: vec![
            series("BPTT", &xs, level(1.25)),
            series("SnAp-2", &xs, level(1.1)),
            series("SnAp-1", &xs, level(0.62)),
            series("Frozen", &xs, |_, i, s| 1.0 + f64::from(u8::from(noise(s, i) > 0.35))),
        ],
        references: vec![],
        yardsticks: vec![],
    }
}

pub(super) fn lm_figure() -> Figure {
    let xs: Vec<f64> = (0..24).map(|i| 2.0e4 * 1.24f64.powi(i)).collect();
    let bpc = |floor: f64| {
        move |x: f64, i: usize, s: usize| {
            floor + 2.4 * (x / 2e4).powf(-0.42) + 0.05 * noise(s, i) + 0.08 * noise(s, 99)
        }
    };
    Figure {
        id: "lm-bpc".to_owned(),
        caption: "Validation loss of a character language model; lower is better.".to_owned(),
        x: axis("characters seen", true),
        y: axis("bits per character (validation)", false),
        seeds: vec![0, 1, 2],
        series: vec![
            series("BPTT", &xs, bpc(1.95)),
            series("SnAp-1", &xs, bpc(2.02)),
            series("Frozen", &xs, bpc(2.55)),
        ],
        references: vec![Reference { label: "unigram entropy".to_owned(), y: 4.17 }],
        yardsticks: vec![Yardstick { label: "published, BPTT".to_owned(), x: 1.2e6, y: 1.85 }],
    }
}

fn claim(id: &str, verdict: Verdict, text: &str, evidence: &str) -> Claim {
    Claim {
        id: id.to_owned(),
        text: text.to_owned(),
        verdict,
        evidence: evidence.to_owned(),
        numbers: Vec::new(),
        seeds: Vec::new(),
        runs: Vec::new(),
        conditions: Vec::new(),
    }
}

fn runs(labels: &[&str], experiment: &str) -> Vec<RunEntry> {
    let all = labels.iter().flat_map(|label| (0..3).map(move |seed| (label, seed)));
    all.map(|(label, seed)| RunEntry {
        label: (*label).to_owned(),
        seed,
        hash: format!("{:016x}", ((seed + 1) * 0x1234_5678_9ABC_DEF1) ^ label.len() as u64),
        config_toml: format!(
            "estimator = \"{label}\"\nseed = {seed}\n\n[cell]\nkind = \"gru\"\nunits = 64\n"
        ),
        folder: format!("runs/{experiment}/{}-{seed}", label.to_lowercase()),
        seconds: 18.4 + seed as f64,
        machine: None,
    })
    .collect()
}

fn copy() -> Section {
    let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
    Section {
        name: "copy".to_owned(),
        question: "Does sparse forward-mode credit reach as far back as backpropagation on the copy task?".to_owned(),
        setup: vec![
            "A GRU of 64 units learns to repeat a string of random symbols. Whenever the mean loss of a sequence falls \
             below 0.15 bits per character the string grows by one, so the length L is the score."
                .to_owned(),
            "Weights change after every step (fully online); BPTT is truncated to the same window.".to_owned(),
        ],
        figures: vec![copy_figure()],
        tables: vec![Table {
            caption: "Length reached after 2 M characters, mean ± standard deviation over 3 seeds.".to_owned(),
            headers: row(["estimator", "L", "multiply–adds per step", "bytes of influence", "steps per second"]),
            rows: vec![
                row(["BPTT", "26.0 ± 1.7", "31 104", "0", "212 000"]),
                row(["SnAp-2", "23.1 ± 2.2", "796 416", "795 648", "9 800"]),
                row(["SnAp-1", "13.4 ± 1.1", "24 960", "49 920", "188 000"]),
                row(["Frozen", "1.3 ± 0.6", "12 480", "0", "402 000"]),
            ],
            align: vec![Align::Left, Align::Right, Align::Right, Align::Right, Align::Right],
        }],
        claims: vec![
            claim("C10", Verdict::NotRun, "SnAp-1 closes the gap to BPTT as nets grow.", "Needs the standard profile."),
            claim(
                "C2",
                Verdict::Supported,
                "SnAp-1 costs no more than BPTT.",
                "24 960 against 31 104 multiply–adds per step.",
            ),
        ],
        caveats: vec![
            "Three seeds and 2 M characters: the order of BPTT and SnAp-2 can still change.".to_owned(),
            "Learning rates were not swept in this profile.".to_owned(),
        ],
        runs: runs(&["BPTT", "SnAp-2", "SnAp-1", "Frozen"], "copy"),
    }
}

fn lm() -> Section {
    Section {
        name: "lm".to_owned(),
        question: "How much of BPTT's gain on text does SnAp-1 keep?".to_owned(),
        setup: vec!["A GRU of 128 units reads text in crops of 128 characters.".to_owned()],
        figures: vec![lm_figure()],
        tables: vec![],
        claims: vec![
            claim(
                "C3",
                Verdict::Undecided,
                "On dense nets SnAp-1 comes within 0.1 bpc of BPTT.",
                "0.07 bpc apart, and the bands overlap.",
            ),
            claim(
                "C4",
                Verdict::NotSupported,
                "A frozen core cannot learn.",
                "Frozen falls to 2.96 bpc; unigram entropy is 4.17.",
            ),
        ],
        caveats: vec!["The default corpus is generated; its bpc says nothing about real text.".to_owned()],
        runs: runs(&["BPTT", "SnAp-1", "Frozen"], "lm"),
    }
}
