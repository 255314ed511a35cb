//! A readout that learns by recursive least squares, behind a learner.

use super::*;

fn squares(own: &str) -> RunConfig {
    RunConfig::from_toml(
        &format!(
            "layers = [{{ kind = 'gru', units = 5 }}]\nestimator = {{ kind = 'snap', order = 1 }}\n\
             optimizer = {{ kind = 'sgd', learning_rate = 0.05 }}\ntraining = {{ lanes = 1, window = 1, seed = 3 }}\n{own}"
        ),
        "test",
    )
    .unwrap()
}

/// The recurrent weights learn from the error of the prediction that was made: a first step changes them as it does if the
/// readout learns by its gradient, bit for bit. Later ones differ, as the readout does.
#[test]
fn recurrent_weights_see_the_error_of_the_prediction_that_was_made() {
    let [mut by_gradient, mut by_squares] = ["", "update = { rls = {} }"].map(|own| new(&squares(own)));
    // Step 0 has no target.
    for t in 1..3 {
        assert_eq!(predict(&mut by_gradient, t) == predict(&mut by_squares, t), t == 1, "step {t}");
        learn(&mut by_gradient, t);
        learn(&mut by_squares, t);
        let same = by_gradient.model().weights() == by_squares.model().weights();
        assert_eq!(same, t == 1, "recurrent weights after step {t}");
        assert_ne!(by_gradient.model().readout().parameters(), by_squares.model().readout().parameters());
    }
}

#[test]
fn a_learner_with_least_squares_goes_on_bit_for_bit_and_freezes() {
    let config = squares("update = { rls = { forgetting = 0.99, prior = 2.0 } }");
    let mut unbroken = new(&config);
    go(&mut unbroken, 0..20);
    let saved = bytes(&mut unbroken);
    let mut restored = new(&config);
    from_bytes(&saved, |archive| restored.persist(archive)).unwrap();
    assert_eq!(go(&mut restored, 20..40), go(&mut unbroken, 20..40));
    assert_eq!(restored.model().readout().parameters(), unbroken.model().readout().parameters());
    unbroken.set_rates(Rates { recurrent: 0.05, readout: 0.0 }).unwrap();
    let before = (unbroken.model().weights().to_vec(), unbroken.model().readout().parameters().to_vec());
    go(&mut unbroken, 40..50);
    assert_ne!(unbroken.model().weights(), before.0);
    assert_eq!(unbroken.model().readout().parameters(), before.1);
}

/// Weight decay, momentum and moments of the optimizer leave the readout alone.
#[test]
fn the_optimizer_does_not_touch_the_readout() {
    let readout = |optimizer: &str| {
        // A core that does not learn: then readouts differ only if the optimizer changes them.
        let still = ["input", "bias", "recurrent"].map(|name| format!("{{ name = '{name}', rate = 0.0 }}"));
        let mut config = squares(&format!("update = {{ rls = {{}}, groups = [{}] }}", still.join(", ")));
        config.learning.optimizer = toml::from_str(optimizer).unwrap();
        let mut learner = new(&config);
        go(&mut learner, 0..50);
        learner.model().readout().parameters().to_vec()
    };
    let plain = readout("kind = 'sgd'\nlearning_rate = 0.01");
    for other in [
        "kind = 'adamw'\nlearning_rate = 0.01\nweight_decay = 0.5",
        "kind = 'momentum'\nlearning_rate = 0.01",
        "kind = 'nlms'",
        "kind = 'obgd'",
    ] {
        assert_eq!(readout(other), plain, "{other}");
    }
}

#[test]
fn least_squares_steps_do_not_allocate() {
    let mut learner = new(&squares("update = { rls = {} }"));
    go(&mut learner, 0..3);
    let used = allocation_counter::measure(|| _ = (predict(&mut learner, 4), learn(&mut learner, 4)));
    assert_eq!(used.count_total, 0);
}

#[test]
fn what_least_squares_cannot_do_is_refused() {
    let told = |own: &str| {
        let text = format!(
            "layers = [{{ kind = 'gru', units = 5 }}]\nestimator = {{ kind = 'snap', order = 1 }}\n\
             optimizer = {{ kind = 'sgd', learning_rate = 0.05 }}\n{own}"
        );
        RunConfig::from_toml(&text, "test").unwrap_err().to_string()
    };
    let group = "update = { rls = {}, groups = [{ name = 'readout', rate = 0.5 }] }\ntraining = {}";
    for (own, part) in [
        ("update = { rls = {} }\ntraining = { window = 2 }", "training.window"),
        ("update = { rls = {} }\nreadout = { hidden = 3 }\ntraining = {}", "readout.hidden"),
        ("update = { rls = {} }\nreadout = { bypass = true }\ntraining = {}", "readout.bypass"),
        ("update = { rls = {} }\nreadout = { output_gate = true }\ntraining = {}", "readout.output_gate"),
        ("update = { rls = { forgetting = 1.5 } }\ntraining = {}", "update.rls.forgetting"),
        ("update = { rls = { forgetting = 0.0 } }\ntraining = {}", "update.rls.forgetting"),
        ("update = { rls = { prior = inf } }\ntraining = {}", "update.rls.prior"),
        (group, "update.groups.name"),
    ] {
        assert!(told(own).contains(part), "{own}: {}", told(own));
    }
    let classes = Learner::new(&squares("update = { rls = {} }"), Signal::Values(1), Signal::Symbols(3));
    let told = classes.err().unwrap().to_string();
    assert!(told.contains("update.rls") && told.contains("3 classes"), "{told}");
}
