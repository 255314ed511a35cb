//! J drawn: what SnAp-n keeps of it, and its blocks.

use std::collections::BTreeMap;
use std::fmt::Write;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::{CellConfig, Inputs, Size, Stack};
use rtrl_estimators::{Order, Scope, reach};

use rtrl_report::palette;

/// Width and height of an entry of J in px.
const CELL: usize = 12;
/// Space for text to the left, and above each panel.
const LEFT: usize = 64;
const ABOVE: usize = 30;
/// Greatest width, and the least, which the titles need.
const WIDTH: usize = 760;
const LEAST: usize = 460;

/// A drawing that grows downwards.
struct Drawing {
    elements: String,
    width: usize,
    height: usize,
}

impl Drawing {
    fn new() -> Self {
        Self { elements: String::new(), width: LEAST, height: 8 }
    }

    fn rectangle(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), color: &str) {
        self.width = self.width.max(x + width + CELL);
        let _ = writeln!(
            self.elements,
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{color}"/>"#
        );
    }

    fn text(&mut self, (x, y): (usize, usize), anchor: &str, text: &str) {
        let color = palette::hex(palette::TITLE.light);
        let _ = writeln!(
            self.elements,
            r#"<text x="{x}" y="{y}" font-family="sans-serif" font-size="13" text-anchor="{anchor}" fill="{color}">{text}</text>"#
        );
    }

    /// The drawing as an SVG file.
    fn finish(&self, title: &str) -> String {
        let (width, height, paper) = (self.width, self.height, palette::hex(palette::PAPER.light));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{title}</title>\n<style>{}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>\n{}</svg>\n",
            palette::css(1),
            self.elements
        )
    }
}

/// The net of a figure.
struct Net {
    stack: Stack<f32>,
}

impl Net {
    fn new(cell: CellConfig, inputs: usize, seed: u64) -> Result<Self, String> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let cell = cell.build(Inputs::Dense(inputs), &mut rng);
        let stack = cell.and_then(|cell| Stack::new(vec![cell])).map_err(|error| error.to_string())?;
        Ok(Self { stack })
    }

    fn reach(&self, order: Order) -> Vec<Vec<u32>> {
        reach(&self.stack, self.stack.dynamics(), order, Scope::Stack).rows().to_vec()
    }

    fn row_len(&self, row: usize) -> usize {
        self.stack.linear().pattern().row(row).len()
    }

    /// Share of the entries of J that are kept.
    fn share(&self, reach: &[Vec<u32>]) -> f64 {
        let kept: usize = reach.iter().enumerate().map(|(row, r)| r.len() * self.row_len(row)).sum();
        kept as f64 / (self.stack.states() * self.stack.weights_len()) as f64
    }
}

/// For each row the number of its block, which rows of equal reach share. Blocks are numbered by their first rows.
fn block_of(reach: &[Vec<u32>]) -> Vec<usize> {
    let mut seen: BTreeMap<&[u32], usize> = BTreeMap::new();
    reach
        .iter()
        .map(|r| {
            let next = seen.len();
            *seen.entry(r).or_insert(next)
        })
        .collect()
}

fn color(block: usize) -> String {
    palette::hex(palette::STYLES[block % palette::STYLES.len()].line.light)
}

/// One panel: J under a reach, states downwards, weights to the right in their order, colored by block.
fn panel(drawing: &mut Drawing, net: &Net, reach: &[Vec<u32>], title: &str) {
    let (states, weights) = (net.stack.states(), net.stack.weights_len());
    let top = drawing.height + ABOVE;
    drawing.text((LEFT, top - 9), "start", title);
    drawing.text((LEFT - 8, top + states * CELL / 2 + 5), "end", "states");
    drawing.rectangle((LEFT, top), (weights * CELL, states * CELL), &palette::hex(palette::GRID.light));
    let mut column = 0;
    for ((row, reached), block) in reach.iter().enumerate().zip(block_of(reach)) {
        for &state in reached {
            let at = (LEFT + column * CELL, top + state as usize * CELL);
            drawing.rectangle(at, (net.row_len(row) * CELL - 1, CELL - 1), &color(block));
        }
        column += net.row_len(row);
    }
    drawing.height = top + states * CELL + 6;
}

/// J of a small sparse net under SnAp-1, 2, 3 and RTRL.
pub fn patterns() -> Result<String, String> {
    let net = Net::new(CellConfig::Vanilla(Size::sparse(7, 0.78)), 2, 4)?;
    let mut drawing = Drawing::new();
    let steps = (1..=3).map(|n| (format!("SnAp-{n}"), Order::Steps(n)));
    for (name, order) in steps.chain([("RTRL".to_string(), Order::Closure)]) {
        let reach = net.reach(order);
        let blocks = block_of(&reach).into_iter().max().map_or(0, |last| last + 1);
        let title = format!("{name}: {:.0} % of J, in {blocks} blocks", 100.0 * net.share(&reach));
        panel(&mut drawing, &net, &reach, &title);
    }
    drawing.height += 20;
    drawing.text(
        (LEFT, drawing.height - 8),
        "start",
        "weights, row after row; rows of one color share a block",
    );
    Ok(drawing.finish("What SnAp-n keeps of the influence matrix of a sparse net of seven units"))
}

/// J of a small sparse GRU under SnAp-2, and the blocks that are stored of it.
pub fn blocks() -> Result<String, String> {
    let net = Net::new(CellConfig::Gru(Size::sparse(6, 0.86)), 1, 2)?;
    let reach = net.reach(Order::Steps(2));
    let mut drawing = Drawing::new();
    panel(&mut drawing, &net, &reach, "J under SnAp-2, in the order of the weights");
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, block) in block_of(&reach).into_iter().enumerate() {
        groups.entry(block).or_default().push(row);
    }
    let top = drawing.height + 2 * ABOVE;
    drawing.text(
        (LEFT, top - ABOVE),
        "start",
        "what is stored: a dense block |R| × F for every set of rows with the same reach",
    );
    let (mut x, mut y) = (LEFT, top);
    let mut lowest = top;
    for (block, rows) in groups {
        let (r, f) = (reach[rows[0]].len(), rows.iter().map(|&row| net.row_len(row)).sum::<usize>());
        let width = (f * CELL).max(60) + 2 * CELL;
        if x + width > WIDTH {
            (x, y) = (LEFT, lowest + 2 * CELL);
        }
        for (i, j) in (0..r).flat_map(|i| (0..f).map(move |j| (i, j))) {
            drawing.rectangle((x + j * CELL, y + i * CELL), (CELL - 1, CELL - 1), &color(block));
        }
        drawing.text((x, y + r * CELL + 15), "start", &format!("{r} × {f}"));
        lowest = lowest.max(y + r * CELL + 20);
        x += width;
    }
    drawing.height = lowest + 8;
    Ok(drawing.finish("The blocks of a sparse GRU of six units under SnAp-2"))
}
