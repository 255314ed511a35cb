//! An estimator of one's own, in a configuration.

#![allow(missing_docs)]

use crate::support::{Case, gradient_of};
use rtrl_cells::Stack;
use rtrl_estimators::{
    Cost, EstimatorConfig, EstimatorError, ImmediateConfig, Observed, OwnEstimator, Rule, UoroConfig,
    register,
};
use rtrl_sparse::Scalar;
use serde::{Deserialize, Serialize};

/// The settings of a rule that adds a share of the immediate derivative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareConfig {
    share: f64,
}

impl Default for ShareConfig {
    fn default() -> Self {
        Self { share: 0.5 }
    }
}

impl Rule for ShareConfig {
    fn observe<T: Scalar>(&self, step: Observed<'_, T>, gradient: &mut [T]) {
        step.stack.descend(step.weights, step.trace, step.delta, step.backward);
        step.backward.rows.iter_mut().for_each(|row| *row *= T::from_f64(self.share));
        step.stack.accumulate_outer(step.backward, step.trace, gradient);
    }

    fn cost<T: Scalar>(&self, stack: &Stack<T>) -> Cost {
        ImmediateConfig::default().cost(stack)
    }
}

fn parse(json: &str) -> Result<EstimatorConfig, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// One test, since a kind is registered for the whole process.
#[test]
fn own_estimators_are_named_like_others() {
    // The kind is unknown before it is registered.
    let unknown = parse(r#"{"kind": "share", "share": 0.25}"#).unwrap_err();
    assert!(unknown.contains("unknown variant `share`") && unknown.contains("`snap`"), "{unknown}");
    register::<ShareConfig>("share").unwrap();

    let own = parse(r#"{"kind": "share", "share": 0.25}"#).unwrap();
    assert_eq!(own, OwnEstimator::new("share", ShareConfig { share: 0.25 }).into());
    assert_ne!(own, OwnEstimator::new("share", ShareConfig { share: 0.5 }).into());
    assert_ne!(own, ImmediateConfig::default().into());
    assert_eq!(format!("{own:?}"), "Own(ShareConfig { share: 0.25 })");
    let written = serde_json::to_string(&own).unwrap();
    assert_eq!(parse(&written).unwrap(), own, "{written}");
    assert_eq!(own.reseeded(3), own);

    // The estimator is built for `f32` and `f64`, for lanes alone and in groups, and does what it says.
    for lanes in [1, 3, 11] {
        let case = Case {
            layers: vec![rtrl_cells::CellConfig::Gru(rtrl_cells::Size::dense(3))],
            inputs: rtrl_cells::Inputs::Dense(2),
            lanes,
            steps: 6,
            window: 2,
            seed: 1,
            resets: true,
        };
        let (found, all) = (gradient_of(&case, &own), gradient_of(&case, &ImmediateConfig::default().into()));
        let quarter: Vec<f64> = all.iter().map(|g| 0.25 * g).collect();
        assert_eq!(found, quarter, "a factor of two powers is exact");
        assert!(own.build(case.stack::<f32>(), lanes, 2).is_ok());
        assert_eq!(
            own.build(case.stack::<f32>(), lanes, 0).unwrap_err(),
            EstimatorError::Zero { what: "window" }
        );
    }

    // Mistakes are reported as for the estimators of the crate.
    let refused = |json: &str, words: &[&str]| {
        let error = parse(json).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    refused(r#"{"kind": "share", "shape": 0.25}"#, &["unknown field `shape`", "`share`"]);
    refused(r#"{"kind": "share"}"#, &["missing field `share`"]);
    refused(r#"{"kind": "share", "share": "all"}"#, &["invalid type", "all"]);
    refused(r#"{"kind": "sharing"}"#, &["unknown variant `sharing`", "`snap`", "registered: `share`"]);
    refused(r#"{"kind": "snap", "order": 1, "deep": true}"#, &["unknown field `deep`"]);
    refused(r#"{"order": 1}"#, &["kind"]);
    refused("3", &["invalid type"]);

    // A name can be registered once.
    for kind in ["share", "snap", "ok", "kf-rtrl"] {
        assert_eq!(register::<ShareConfig>(kind), Err(EstimatorError::Registered { kind }));
    }
    assert_eq!(
        parse(r#"{"kind": "uoro", "seed": 18446744073709551615}"#).unwrap(),
        UoroConfig { seed: u64::MAX, ..Default::default() }.into()
    );
}
