//! What is written of a target that is a class.

use rtrl_stream::{CLASS_PREDICTORS, ClassReport, Report, SeriesConfig};

/// The name of all classes that are not listed, and did not occur in the first rows.
const ANOTHER: &str = "another";

/// A field of the output.
#[derive(Debug, Clone, Copy)]
enum Field {
    /// The class that a predictor named for this row.
    Predicted(usize),
    /// The class that a predictor names for a later row.
    Next(usize),
    /// The probability that the net gives to the class it names for a later row.
    Probability,
    /// Bits by which the class of this row surprised the net.
    Loss,
}

/// What a field holds.
pub enum Said<'a> {
    /// A class; `None` if there is none.
    Word(Option<&'a str>),
    /// A number.
    Number(Option<f64>),
}

/// The classes of a target, and what is written of them.
pub struct Class {
    /// Their names by index.
    names: Vec<String>,
    fields: Vec<(String, Field)>,
    /// Names of the predictors whose scores are written.
    scores: Vec<String>,
    /// The names of the mean losses of the net and of how often classes occur.
    losses: [String; 2],
}

impl Class {
    /// For the classes of these names, and one for all others.
    pub fn new(names: &[String], settings: &SeriesConfig) -> Self {
        let rows = settings.horizons[0];
        let name = |what: &str| if rows == 1 { what.to_string() } else { format!("{what}+{rows}") };
        let count = CLASS_PREDICTORS.len() - usize::from(settings.season.is_none());
        let predictors = &CLASS_PREDICTORS[..count];
        let field = |by| if rows == 1 { Field::Predicted(by) } else { Field::Next(by) };
        let mut fields: Vec<_> =
            predictors.iter().enumerate().map(|(i, what)| (name(what), field(i))).collect();
        fields.push((name("loss"), Field::Loss));
        if rows == 1 {
            fields.push(("next".into(), Field::Next(0)));
        }
        fields.push((name("probability"), Field::Probability));
        Self {
            names: names.iter().cloned().chain([ANOTHER.to_string()]).collect(),
            fields,
            scores: predictors.iter().map(|what| name(what)).collect(),
            losses: ["loss", "loss.frequent"].map(name),
        }
    }

    /// The names of the fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// The names of the scores.
    pub fn scores(&self) -> impl Iterator<Item = &str> {
        self.scores.iter().chain(&self.losses).map(String::as_str)
    }

    /// What the fields hold, in their order.
    pub fn said<'a>(&'a self, class: &'a ClassReport) -> impl Iterator<Item = Said<'a>> {
        let word = |class: Option<usize>| Said::Word(class.map(|class| self.names[class].as_str()));
        self.fields.iter().map(move |&(_, field)| match field {
            Field::Predicted(by) => word(class.predicted.and_then(|predicted| predicted.by[by])),
            Field::Next(by) => word(class.next.by[by]),
            Field::Probability => Said::Number(Some(class.next.probability)),
            Field::Loss => Said::Number(class.loss.map(|loss| loss[0])),
        })
    }

    /// The scores, in their order.
    pub fn scored<'a>(&'a self, report: &'a Report, class: &'a ClassReport) -> impl Iterator<Item = f64> {
        report.scores[0][..self.scores.len()].iter().chain(&class.losses).copied()
    }
}

/// What the scores of a stream are, in words.
pub fn measure(is_class: bool) -> &'static str {
    if is_class { "share of wrong classes" } else { "squared error / variance" }
}
