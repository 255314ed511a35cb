//! A claim from its conditions.

use super::condition::{Condition, Verdict, all};
use super::model::Claim;

impl Claim {
    /// A claim whose verdict follows from its conditions, with what it holds against and what not.
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
                sentences.push(format!("{words} {}.", names.join("; ")));
            }
        }
        let told = |decides: bool| -> Vec<String> {
            conditions
                .iter()
                .filter(|c| c.decides == decides && c.observed.is_some())
                .map(ToString::to_string)
                .collect()
        };
        let (own, beside) = (told(true), told(false));
        if !own.is_empty() {
            sentences.push(format!("{}.", own.join("; ")));
        }
        if !beside.is_empty() {
            sentences.push(format!("Beside the claim: {}.", beside.join("; ")));
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
            "A minus it: 1.000 ± 0.500",
        ];
        assert!(words.iter().all(|word| claim.evidence.contains(word)), "{}", claim.evidence);
        // What is told beside the claim does not decide it.
        let claim = Claim::of("C0", "It wins.", vec![against("A", 1.0), against("B", -1.0).beside()]);
        assert_eq!(claim.verdict, Verdict::Supported);
        assert!(claim.evidence.contains("Beside the claim: B minus it"), "{}", claim.evidence);
    }
}
