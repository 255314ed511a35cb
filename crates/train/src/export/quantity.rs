//! The measured quantities of a record, by name.

use crate::Record;

/// Value of a quantity; only a rollback has text.
pub enum Value {
    Number(f64),
    Count(u64),
    Text(String),
}

impl Record {
    /// Everything measured in this record except step and time, by name.
    pub(super) fn quantities(&self) -> Vec<(String, Value)> {
        let named = |name: &str, value| (name.to_string(), value);
        let number = |name, value: Option<f64>| value.map(|value| named(name, Value::Number(value)));
        let mut all = vec![named("characters", Value::Count(self.characters))];
        all.extend(number("bits", self.bits));
        all.extend(number("error", self.error));
        all.extend(self.level.map(|level| named("level", Value::Count(u64::from(level)))));
        all.extend(number("valid_bits", self.valid_bits));
        all.extend(number("valid_error", self.valid_error));
        if self.skipped_lanes > 0 {
            all.push(named("skipped_lanes", Value::Count(self.skipped_lanes)));
        }
        all.extend(self.rolled_back.iter().map(|why| named("rolled_back", Value::Text(why.clone()))));
        for a in &self.alignment {
            let values =
                [("cosine", a.cosine), ("norm_ratio", a.norm_ratio), ("sign_agreement", a.sign_agreement)];
            let name = |what: &str| format!("alignment/{}/{}/{what}", a.label, a.group);
            all.extend(values.map(|(what, value)| (name(what), Value::Number(value))));
            if a.diverged > 0 {
                all.push((name("diverged"), Value::Count(a.diverged)));
            }
        }
        all
    }
}
