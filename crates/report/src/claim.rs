//! A claim from its conditions.

use super::condition::{Condition, Verdict, all};
use super::model::Claim;

/// Names and numbers that are told in words; a table has all of them.
const NAMES: usize = 4;
const NUMBERS: usize = 2;

/// The first `told` of these in words, and how many more there are.
fn first(words: &[impl AsRef<str>], told: usize) -> String {
    let told: Vec<&str> = words.iter().take(told).map(AsRef::as_ref).collect();
    let more = match words.len() - told.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("{}{more}.", told.join("; "))
}

impl Claim {
    /// A claim whose verdict follows from its conditions, with what it holds against and what not, and the numbers that decide it: those
    /// conditions whose verdict is that of the claim.
    #[must_use]
    pub fn of(id: &str, text: &str, conditions: Vec<Condition>) -> Self {
        let deciding = || conditions.iter().filter(|condition| condition.decides);
        let verdict = all(&deciding().map(Condition::verdict).collect::<Vec<_>>());
        let mut sentences = Vec::new();
        for (verdict, words) in [
            (Verdict::Supported, "Holds against"),
            (Verdict::NotSupported, "Does not hold against"),
            (Verdict::Undecided, "Cannot be told against"),
            (Verdict::NotRun, "Not run against"),
        ] {
            let mut names: Vec<&str> = Vec::new();
            for condition in deciding().filter(|c| !c.against.is_empty() && c.verdict() == verdict) {
                if !names.contains(&condition.against.as_str()) {
                    names.push(&condition.against);
                }
            }
            if !names.is_empty() {
                sentences.push(format!("{words} {}", first(&names, NAMES)));
            }
        }
        let decisive = deciding().filter(|c| c.verdict() == verdict && c.observed.is_some());
        let decisive: Vec<String> = decisive.map(ToString::to_string).collect();
        if !decisive.is_empty() {
            sentences.push(format!("In numbers: {}", first(&decisive, NUMBERS)));
        }
        let numbers = conditions.iter().filter_map(|c| Some((c.what.clone(), c.observed?.mean)));
        Self {
            id: id.to_string(),
            text: text.to_string(),
            verdict,
            evidence: sentences.join(" "),
            numbers: numbers.collect(),
            seeds: Vec::new(),
            runs: Vec::new(),
            conditions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{Bound, Observed};

    #[test]
    fn a_verdict_names_what_it_holds_against() {
        let against = |name: &str, mean: f64| {
            let observed = Some(Observed { mean, half: 0.5, seeds: 5 });
            Condition::new(name, format!("{name} minus it"), observed, Bound::Above(0.0))
        };
        let claim =
            Claim::of("C0", "It wins.", vec![against("A", 1.0), against("B", -1.0), against("C", 0.1)]);
        assert_eq!(claim.verdict, Verdict::NotSupported);
        let words = [
            "Holds against A.",
            "Does not hold against B.",
            "Cannot be told against C.",
            "B minus it: -1.000 ± 0.500 (should be above 0: it is not)",
        ];
        assert!(words.iter().all(|word| claim.evidence.contains(word)), "{}", claim.evidence);
        // What is told beside the claim does not decide it.
        let claim = Claim::of("C0", "It wins.", vec![against("A", 1.0), against("B", -1.0).beside()]);
        assert_eq!(claim.verdict, Verdict::Supported);
        assert!(!claim.evidence.contains('B') && claim.conditions.len() == 2, "{}", claim.evidence);
        // Not every number is told in words.
        let claim = Claim::of(
            "C0",
            "It wins.",
            ["A", "B", "C", "D", "E", "F"].map(|name| against(name, 1.0)).to_vec(),
        );
        assert!(claim.evidence.starts_with("Holds against A; B; C; D; and 2 more."), "{}", claim.evidence);
    }
}
