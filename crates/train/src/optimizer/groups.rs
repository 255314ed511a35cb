//! Which weights an update treats alike.

use std::ops::Range;

use super::registry::OptimizerConfig;
use super::settings::{GroupConfig, UpdateConfig};
use crate::ConfigError;

/// One group, with the settings that apply to it.
pub(super) struct Group {
    /// Index of the group's vector: 0 for the recurrent weights, 1 for the readout.
    pub vector: usize,
    pub ranges: Vec<Range<usize>>,
    pub rate: f64,
    pub clip: Option<f64>,
    pub weight_decay: f64,
}

/// Neighboring weights with the same settings, whatever their groups.
pub(super) struct Span {
    pub vector: usize,
    pub range: Range<usize>,
    pub rate: f64,
    pub weight_decay: f64,
}

/// All groups with the settings that apply to them.
pub(super) fn resolve(
    optimizer: &OptimizerConfig,
    config: &UpdateConfig,
    core: Vec<(String, Vec<Range<usize>>)>,
    readout: usize,
) -> Result<Vec<Group>, ConfigError> {
    let whole = std::iter::once(0..readout).collect();
    let all: Vec<_> = core
        .into_iter()
        .map(|(name, ranges)| (name, 0, ranges))
        .chain([("readout".to_string(), 1, whole)])
        .collect();
    let named = |settings: &GroupConfig, name: &str| {
        name == settings.name || name.strip_suffix(&settings.name).is_some_and(|rest| rest.ends_with(' '))
    };
    for settings in &config.groups {
        if !all.iter().any(|(name, ..)| named(settings, name)) {
            let names: Vec<_> = all.iter().map(|(name, ..)| name.as_str()).collect();
            return Err(ConfigError::Group { found: settings.name.clone(), known: names.join(", ") });
        }
    }
    let group = |(name, vector, ranges): (String, usize, Vec<Range<usize>>)| {
        // If several settings name a group, the last one applies, so that general settings can come first.
        let settings = config.groups.iter().rfind(|settings| named(settings, &name));
        Group {
            vector,
            ranges,
            rate: settings.map_or(1.0, |s| s.rate),
            clip: settings.and_then(|s| s.clip),
            weight_decay: match vector == 1 && config.rls.is_some() {
                true => 0.0,
                false => settings.and_then(|s| s.weight_decay).unwrap_or_else(|| optimizer.weight_decay()),
            },
        }
    };
    Ok(all.into_iter().map(group).collect())
}

/// The weights of all groups in as few spans as their settings allow.
pub(super) fn spans(groups: &[Group]) -> Vec<Span> {
    let of = |group: &Group, range: &Range<usize>| {
        let Group { vector, rate, weight_decay, .. } = *group;
        Span { vector, range: range.clone(), rate, weight_decay }
    };
    let mut all: Vec<_> =
        groups.iter().flat_map(|group| group.ranges.iter().map(|range| of(group, range))).collect();
    all.sort_by_key(|span| (span.vector, span.range.start));
    all.dedup_by(|next, span| {
        let same = (span.vector, span.rate, span.weight_decay) == (next.vector, next.rate, next.weight_decay);
        let joins = same && span.range.end == next.range.start;
        if joins {
            span.range.end = next.range.end;
        }
        joins
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_with_the_same_settings_are_one_span() {
        let group = |vector, ranges: &[(usize, usize)], rate| Group {
            vector,
            ranges: ranges.iter().map(|&(start, end)| start..end).collect(),
            rate,
            clip: None,
            weight_decay: 0.0,
        };
        let groups = [
            group(0, &[(0, 2), (5, 6)], 1.0),
            group(0, &[(2, 5), (7, 9)], 1.0),
            group(0, &[(6, 7)], 0.5),
            group(1, &[(0, 3)], 1.0),
        ];
        let found: Vec<_> =
            spans(&groups).into_iter().map(|span| (span.vector, span.range, span.rate)).collect();
        assert_eq!(found, [(0, 0..6, 1.0), (0, 6..7, 0.5), (0, 7..9, 1.0), (1, 0..3, 1.0)]);
    }
}
