//! Colors, dashes and their dark counterparts.
//!
//! A drawing carries the light colors as plain presentation attributes, which every viewer understands. A style sheet
//! overrides them by attribute selector where the reader prefers dark, so a figure needs no variables and no classes.

use plotters::style::RGBColor;

/// A color on a light page and its counterpart on a dark one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    /// Red, green and blue on a light page.
    pub light: (u8, u8, u8),
    pub(super) dark: (u8, u8, u8),
}

/// How one series looks. Color, dash and marker each suffice to tell it from its neighbors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Line, band and markers: the Okabe–Ito palette, lightened on dark where it would drown.
    pub line: Ink,
    /// The label: the same hue at a contrast that text needs (4.5 : 1).
    pub(super) text: Ink,
    /// Dash pattern in px; empty is solid.
    pub(super) dash: &'static [u32],
}

const fn ink(light: (u8, u8, u8), dark: (u8, u8, u8)) -> Ink {
    Ink { light, dark }
}

/// Okabe and Ito's palette without its yellow, which no white page can show.
pub const STYLES: [Style; 7] = [
    Style { line: ink((0, 114, 178), (72, 163, 222)), text: ink((0, 104, 163), (116, 187, 234)), dash: &[] },
    Style { line: ink((213, 94, 0), (240, 125, 40)), text: ink((173, 75, 0), (247, 155, 90)), dash: &[9, 4] },
    Style {
        line: ink((0, 158, 115), (22, 186, 140)),
        text: ink((0, 114, 83), (62, 207, 165)),
        dash: &[2, 4],
    },
    Style {
        line: ink((204, 121, 167), (222, 146, 190)),
        text: ink((154, 72, 120), (232, 168, 205)),
        dash: &[9, 4, 2, 4],
    },
    Style {
        line: ink((230, 159, 0), (240, 178, 44)),
        text: ink((133, 92, 0), (245, 196, 92)),
        dash: &[14, 5],
    },
    Style {
        line: ink((86, 180, 233), (150, 214, 248)),
        text: ink((28, 108, 156), (176, 224, 250)),
        dash: &[5, 3],
    },
    Style {
        line: ink((64, 64, 64), (190, 190, 190)),
        text: ink((65, 65, 65), (200, 200, 200)),
        dash: &[9, 3, 2, 3, 2, 3],
    },
];

/// Page behind a figure.
pub const PAPER: Ink = ink((255, 255, 255), (21, 24, 28));
/// Axis lines and tick labels.
pub(super) const AXIS: Ink = ink((74, 80, 88), (171, 178, 187));
/// Axis titles.
pub const TITLE: Ink = ink((31, 35, 40), (230, 233, 237));
/// Grid lines.
pub const GRID: Ink = ink((225, 228, 232), (48, 54, 61));
/// Reference lines and published numbers.
pub(super) const REFERENCE: Ink = ink((104, 110, 118), (148, 155, 164));

impl Ink {
    pub(super) fn rgb(self) -> RGBColor {
        RGBColor(self.light.0, self.light.1, self.light.2)
    }
}

/// The style of series `index`, with the index of its marker, which drifts so that colors and markers do not repeat
/// together.
pub(super) fn style(index: usize) -> (Style, usize) {
    (STYLES[index % STYLES.len()], index + index / STYLES.len())
}

/// A color as the plot library writes it, such as `#0072B2`.
pub fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// The style sheet of all drawings: dashes, and the dark colors. Lengths in drawings are `unit` times a px.
pub fn css(unit: u32) -> String {
    let inks = STYLES.iter().flat_map(|s| [s.line, s.text]).chain([PAPER, AXIS, TITLE, GRID, REFERENCE]);
    let dark: String = inks
        .map(|ink| {
            let (light, dark) = (hex(ink.light), hex(ink.dark));
            format!(".plot [fill=\"{light}\"]{{fill:{dark}}}.plot [stroke=\"{light}\"]{{stroke:{dark}}}\n")
        })
        .collect();
    let dashes: String = STYLES
        .iter()
        .filter(|style| !style.dash.is_empty())
        .map(|style| {
            let lengths: Vec<String> = style.dash.iter().map(|d| (d * unit).to_string()).collect();
            let line = hex(style.line.light);
            format!(".plot polyline[stroke=\"{line}\"]{{stroke-dasharray:{}}}\n", lengths.join(" "))
        })
        .collect();
    let reference = hex(REFERENCE.light);
    format!(
        ".plot polyline{{stroke-linejoin:round}}\n{dashes}\
         .plot polyline[stroke=\"{reference}\"]{{stroke-dasharray:{} {}}}\n\
         @media (prefers-color-scheme:dark){{\n{dark}}}\n",
        4 * unit,
        4 * unit
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn luminance((r, g, b): (u8, u8, u8)) -> f64 {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_is_readable_on_light_and_dark() {
        for text in STYLES.iter().map(|s| s.text).chain([AXIS, TITLE, REFERENCE]) {
            assert!(contrast(text.light, PAPER.light) >= 4.5, "{text:?}");
            assert!(contrast(text.dark, PAPER.dark) >= 4.5, "{text:?}");
        }
    }

    #[test]
    fn light_colors_are_distinct_so_that_each_has_its_own_dark_one() {
        let inks = STYLES.iter().flat_map(|s| [s.line, s.text]).chain([PAPER, AXIS, TITLE, GRID, REFERENCE]);
        let all: Vec<_> = inks.map(|ink| ink.light).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}
