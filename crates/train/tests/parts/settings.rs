//! Settings, models and files of a learner.

use super::*;

/// Settings that were changed apply, are saved, and are restored into a learner with the configured settings or
/// others.
#[test]
fn settings_that_change_are_saved_and_restored() {
    let rates = Rates { recurrent: 0.02, readout: 0.005 };
    let mut unbroken = new(&snap());
    go(&mut unbroken, 0..10);
    let (fresh, settings) = (bytes(&mut unbroken), (unbroken.rates(), unbroken.clip()));
    assert_eq!(settings, (Rates::both(0.01), None));
    unbroken.set_rates(rates).unwrap();
    unbroken.set_clip(Some(0.3)).unwrap();
    unbroken.set_divergence(DivergencePolicy::SkipLane).unwrap();
    go(&mut unbroken, 10..20);
    let saved = bytes(&mut unbroken);
    let mut restored = new(&snap());
    from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
    let settings = |learner: &Learner| (learner.rates(), learner.clip(), learner.divergence().clone());
    assert_eq!(settings(&restored), (rates, Some(0.3), DivergencePolicy::SkipLane));
    assert_eq!(go(&mut restored, 20..40), go(&mut unbroken, 20..40));
    assert_eq!(restored.model().weights(), unbroken.model().weights());
    from_bytes(&fresh, |archive| restored.persist(archive)).unwrap();
    assert_eq!(settings(&restored), (Rates::both(0.01), None, DivergencePolicy::Stop));
}

/// A learner whose rates were set does the same as one that was configured with these rates.
#[test]
fn rates_that_are_set_are_those_that_are_configured() {
    let mut config = snap();
    let mut told = new(&config);
    config.learning.optimizer = AdamConfig::new(0.03).into();
    config.learning.update.clip = Some(0.2);
    config.learning.update.groups = vec![toml::from_str("name = 'readout'\nrate = 0.5").unwrap()];
    let mut configured = new(&config);
    told.set_rates(Rates { recurrent: 0.03, readout: 0.015 }).unwrap();
    told.set_clip(Some(0.2)).unwrap();
    for t in 0..30 {
        assert_eq!(predict(&mut told, t), predict(&mut configured, t));
        assert_eq!(learn(&mut told, t), learn(&mut configured, t));
    }
    // A rate of 0 freezes.
    told.set_rates(Rates { recurrent: 0.0, ..told.rates() }).unwrap();
    let (weights, readout) = (told.model().weights().to_vec(), told.model().readout().parameters().to_vec());
    for t in 30..40 {
        predict(&mut told, t);
        learn(&mut told, t);
    }
    assert_eq!(told.model().weights(), weights);
    assert_ne!(told.model().readout().parameters(), readout);
}

#[test]
fn settings_without_meaning_are_refused() {
    let mut learner = new(&snap());
    let before = bytes(&mut learner);
    for bad in [-0.1, f64::NAN, f64::INFINITY] {
        for rates in [Rates { recurrent: bad, readout: 0.1 }, Rates { recurrent: 0.1, readout: bad }] {
            assert!(matches!(learner.set_rates(rates), Err(ConfigError::Value { .. })), "{rates:?}");
        }
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(learner.set_clip(Some(bad)), Err(ConfigError::Value { .. })), "{bad}");
    }
    let back = DivergencePolicy::RollBack { every: 10, factor: 0.5, attempts: 1 };
    assert!(matches!(
        learner.set_divergence(back),
        Err(ConfigError::Value { field: "divergence.policy", .. })
    ));
    assert!(bytes(&mut learner) == before, "nothing has changed");
}

#[test]
fn a_learner_from_a_model_has_its_weights_and_begins_at_rest() {
    let mut first = new(&snap());
    go(&mut first, 0..20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    first.model().save(&path).unwrap();
    let mut fork = first.fork();
    let model = first.into_model();
    let expected = bits(fork.predict(dense(&wave(3)), &[true]));
    let mut without_layers = snap();
    without_layers.learning.divergence = DivergencePolicy::SkipLane;
    without_layers.net.layers.clear();
    for mut learner in [
        Learner::from_model(model.clone(), &snap()).unwrap(),
        Learner::from_model(Model::load(&path).unwrap(), &snap()).unwrap(),
        Learner::from_model(model.clone(), &without_layers).unwrap(),
    ] {
        assert_eq!((learner.steps(), learner.learned()), (0, 0));
        assert_eq!(bits(learner.predict(dense(&wave(3)), &[false])), expected, "it is at rest");
        learn(&mut learner, 4);
        assert_ne!(learner.model().weights(), model.weights());
    }
    // The same net with other lanes and another estimator.
    let mut other = online(EstimatorConfig::Uoro(Default::default()));
    other.training.lanes = 3;
    let mut learner = Learner::from_model(model.clone(), &other).unwrap();
    learner.predict(Input::Dense(Lanes::new(&[0.5; 6], 3)), &[true; 3]);
    assert_eq!(learner.learn(Targets::Values(&[Some(0.5); 3])).unwrap().targets, 3);
    // Configurations of another net.
    let mut wider = snap();
    wider.net.readout.hidden = None;
    assert!(matches!(model.clone().for_run(wider), Err(ConfigError::Value { field: "readout", .. })));
    let mut deeper = snap();
    deeper.net.layers.pop();
    assert!(matches!(model.clone().for_run(deeper), Err(ConfigError::Value { field: "layers", .. })));
    let mut back = snap();
    back.learning.divergence = DivergencePolicy::RollBack { every: 10, factor: 0.5, attempts: 1 };
    assert!(Learner::from_model(model, &back).is_err());
}

#[test]
fn files_of_a_learner_are_the_latest_or_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner");
    let mut learner = new(&snap());
    assert!(matches!(learner.restore(&path), Ok(Loaded::Nothing)));
    let mut expected = Vec::new();
    for t in 0..20 {
        predict(&mut learner, t);
        learn(&mut learner, t);
        if t == 9 || t == 19 {
            learner.save(&path).unwrap();
            expected.push(bytes(&mut learner));
        }
    }
    let mut restored = new(&snap());
    assert!(matches!(restored.restore(&path), Ok(Loaded::Latest(()))));
    assert!(bytes(&mut restored) == expected[1]);
    std::fs::write(&path, "nonsense").unwrap();
    assert!(matches!(restored.restore(&path), Ok(Loaded::Previous((), _))));
    assert!(bytes(&mut restored) == expected[0]);
    // If no file can be used, the learner does not change.
    std::fs::write(rtrl_checkpoint::previous(&path), "nonsense").unwrap();
    assert!(matches!(restored.restore(&path), Err(TrainError::Checkpoint { .. })));
    assert!(bytes(&mut restored) == expected[0]);
}
