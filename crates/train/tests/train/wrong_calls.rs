//! A table of wrong calls. A mistake of a user is a typed error. A broken contract between pieces of code panics
//! and says what was expected and what was found. No wrong value is accepted as something else.

#![allow(missing_docs)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::Input;
use rtrl_checkpoint::{Persist, from_bytes, to_bytes};
use rtrl_sparse::Lanes;
use rtrl_tasks::{BuildTask, CopyConfig, Part, RecallConfig, Signal};
use rtrl_train::{
    Adam, AdamConfig, DynamicConfig, Learner, Loss, Model, Optimizer, OptimizerConfig, Parameters, Predictor,
    Readout, RunConfig, SgdConfig, Targets, Trainer, UpdateConfig, Updater, evaluate_on,
};

fn config(own: &str) -> RunConfig {
    let text = format!(
        r#"
        layers = [{{ kind = "gru", units = 3 }}, {{ kind = "lstm", units = 4 }}]
        estimator = {{ kind = "snap", order = 1 }}
        optimizer = {{ kind = "adam", learning_rate = 0.01 }}
        training = {{ lanes = 2, window = 2, seed = 0 }}
        {own}
    "#
    );
    RunConfig::from_toml(&text, "test").unwrap()
}

/// Asserts that the call panics with a message that contains all of the words.
fn panics<R>(name: &str, words: &[&str], call: impl FnOnce() -> R) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(call)) else { panic!("{name}: nothing happened") };
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap();
    for word in words {
        assert!(message.contains(word), "{name}: `{word}` is not in: {message}");
    }
}

fn dense(values: &[f32], lanes: usize) -> Input<'_, f32> {
    Input::Dense(Lanes::new(values, lanes))
}

#[test]
fn of_a_learner() {
    let new = |inputs, targets| Learner::new(&config(""), inputs, targets).unwrap();
    let values = || new(Signal::Values(2), Signal::Values(3));
    let symbols = || new(Signal::Symbols(4), Signal::Symbols(5));
    let told = || {
        let mut learner = symbols();
        learner.predict(Input::Symbols(&[0, 1]), &[true, true]);
        learner
    };
    // The same four numbers in another shape.
    panics("lanes of the input", &["2", "4", "1"], || {
        values().predict(dense(&[0.0; 4], 1), &[true; 2]).lanes()
    });
    panics("numbers of the input", &["2", "3"], || values().predict(dense(&[0.0; 6], 2), &[true; 2]).lanes());
    panics("starts", &["2", "3"], || values().predict(dense(&[0.0; 4], 2), &[true; 3]).lanes());
    panics("symbols for numbers", &["reads 2 numbers", "symbols"], || {
        values().predict(Input::Symbols(&[0, 1]), &[true; 2]).lanes()
    });
    panics("numbers for symbols", &["reads symbols 0..4", "numbers"], || {
        symbols().predict(dense(&[0.0; 4], 2), &[true; 2]).lanes()
    });
    panics("symbols", &["2", "3"], || symbols().predict(Input::Symbols(&[0; 3]), &[true; 2]).lanes());
    panics("a symbol that does not exist", &["0..4", "found 4"], || {
        symbols().predict(Input::Symbols(&[0, 4]), &[true; 2]).lanes()
    });
    panics("nothing predicted", &["predict"], || symbols().learn(Targets::Classes(&[None; 2])));
    panics("no prediction", &["predict"], || symbols().prediction().lanes());
    panics("targets", &["2", "3"], || told().learn(Targets::Classes(&[Some(0); 3])));
    panics("a class that does not exist", &["5"], || told().learn(Targets::Classes(&[Some(5); 2])));
    panics("numbers for classes", &["classes", "numbers"], || told().learn(Targets::Values(&[None; 10])));
    // A call that panics has changed nothing.
    let mut learner = values();
    let before = to_bytes(|archive| learner.persist(archive)).unwrap();
    panics("lanes", &[], || learner.predict(dense(&[1.0; 4], 1), &[true; 2]).lanes());
    assert!(to_bytes(|archive| learner.persist(archive)).unwrap() == before);
}

#[test]
fn of_a_predictor() {
    let new = |inputs, targets| Predictor::new(&Model::new(&config(""), inputs, targets).unwrap(), 2);
    let values = || new(Signal::Values(2), Signal::Values(3));
    let told = || {
        let mut predictor = values();
        predictor.predict(dense(&[0.0; 4], 2), &[true; 2]);
        predictor
    };
    panics("lanes of the input", &["2", "4", "1"], || {
        values().predict(dense(&[0.0; 4], 1), &[true; 2]).lanes()
    });
    panics("starts", &["2", "3"], || values().predict(dense(&[0.0; 4], 2), &[true; 3]).lanes());
    panics("symbols for numbers", &["symbols"], || {
        values().predict(Input::Symbols(&[0, 1]), &[true; 2]).lanes()
    });
    panics("nothing predicted", &["predict"], || values().prediction().lanes());
    panics("nothing to feed back", &["predict"], || values().feed_back().lanes());
    panics("nothing to score", &["predict"], || values().score(Targets::Values(&[None; 6])));
    panics("3 numbers for 2", &["Values(2)", "Values(3)"], || told().feed_back().lanes());
    panics("targets", &["6", "5"], || told().score(Targets::Values(&[None; 5])));
    panics("classes for numbers", &["classes", "numbers"], || told().score(Targets::Classes(&[None; 2])));
    let learner = Learner::new(&config(""), Signal::Values(2), Signal::Values(3)).unwrap();
    panics("other lanes", &["1", "2"], || learner.fork_into(&mut Predictor::new(learner.model(), 1)));
    panics("nothing to go past", &["predict"], || {
        Learner::new(&config(""), Signal::Values(2), Signal::Values(3)).unwrap().skip()
    });
}

#[test]
fn of_signals_and_masks() {
    for (inputs, targets) in [
        (Signal::Values(0), Signal::Values(1)),
        (Signal::Symbols(0), Signal::Values(1)),
        (Signal::Values(1), Signal::Values(0)),
        (Signal::Values(1), Signal::Symbols(0)),
    ] {
        let error = Learner::new(&config(""), inputs, targets).expect_err("nothing to read or predict");
        assert!(error.to_string().contains("at least 1"), "{error}");
    }
    let mut model = Model::new(&config(""), Signal::Values(2), Signal::Values(1)).unwrap();
    let (masks, weights) = (model.masks().to_vec(), model.weights().to_vec());
    let other = Model::new(&config(""), Signal::Values(3), Signal::Values(1)).unwrap();
    let swapped = vec![masks[1].clone(), masks[0].clone()];
    let more = [masks.clone(), vec![masks[1].clone()]].concat();
    for wrong in [Vec::new(), masks[..1].to_vec(), more, swapped, other.masks().to_vec()] {
        assert!(model.set_masks(wrong).is_err());
        assert_eq!((model.masks(), model.weights()), (&masks[..], &weights[..]), "it is unchanged");
    }
    assert!(model.set_masks(masks).is_ok());
}

#[test]
fn of_trainers_and_evaluations() {
    let task = |lanes| CopyConfig::default().build(lanes, 0).unwrap();
    panics("a task of other lanes", &["3 lanes", "2"], || {
        Trainer::with_task(&config(""), task(3)).unwrap().train_window()
    });
    // A net for other symbols than the task has.
    let model = Model::new(&config(""), Signal::Symbols(9), Signal::Symbols(4)).unwrap();
    let text = rtrl_tasks::CharLmConfig { corpus_bytes: 20_000, ..Default::default() };
    let evaluation = text.evaluation(Part::Valid, 32, None).unwrap().unwrap();
    assert!(evaluate_on(&model, evaluation).unwrap_err().to_string().contains("fits the net"));
    // States of another net, of another number of lanes, and of another task.
    let with = |own: &str, lanes: usize, task: rtrl_tasks::TaskConfig| {
        let mut config = RunConfig { task: Some(task), ..config(own) };
        config.training.lanes = lanes;
        Trainer::new(&config).unwrap()
    };
    let mut trainer = with("", 2, CopyConfig::default().into());
    let bytes = to_bytes(|archive| trainer.persist(archive)).unwrap();
    for mut other in [
        with("readout.hidden = 3", 2, CopyConfig::default().into()),
        with("", 3, CopyConfig::default().into()),
        with("", 2, RecallConfig::default().into()),
    ] {
        let error = from_bytes(&bytes, |archive| other.persist(archive)).unwrap_err().to_string();
        assert!(error.contains("another run"), "{error}");
    }
    for (field, value) in [("lanes", "0"), ("window", "0"), ("lanes", "99999999"), ("window", "99999999")] {
        let text = format!(
            "estimator = {{ kind = 'bptt' }}\noptimizer = {{ kind = 'sgd', learning_rate = 0.1 }}\n{field} = {value}"
        );
        let dynamic: DynamicConfig = toml::from_str(&text).unwrap();
        let error = RunConfig { dynamic: Some(dynamic), ..config("") }.validate().unwrap_err().to_string();
        assert!(error.contains(&format!("`dynamic.{field}`")) && error.contains(value), "{error}");
    }
}

#[test]
fn of_readouts() {
    let readout = |loss| Readout::<f32>::new(3, None, 2, loss, 2, &mut Xoshiro256PlusPlus::seed_from_u64(0));
    let classes = || readout(Loss::CrossEntropy);
    let hidden = [0.5; 6];
    let hidden = Lanes::new(&hidden, 2);
    let backward = |losses: usize, hidden_gradient: usize, parameters: usize| {
        let mut readout = classes();
        readout.forward(hidden);
        let targets = Targets::Classes(&[Some(0), None]);
        let (losses, back, gradient) =
            (&mut vec![0.0; losses], &mut vec![0.0; hidden_gradient], &mut vec![0.0; parameters]);
        readout.loss_and_gradient(hidden, targets, losses, back, gradient);
    };
    backward(2, 6, 8);
    panics("lanes of the hidden state", &["2", "1"], || classes().forward(Lanes::new(&[0.0; 3], 1)).lanes());
    panics("hidden state", &["3", "4"], || classes().forward(Lanes::new(&[0.0; 8], 2)).lanes());
    panics("losses", &["2", "3"], || backward(3, 6, 8));
    panics("gradient of the hidden state", &["6", "5"], || backward(2, 5, 8));
    panics("longer gradient of the hidden state", &["6", "7"], || backward(2, 7, 8));
    panics("gradient of the parameters", &["8", "7"], || backward(2, 6, 7));
    panics("longer gradient of the parameters", &["8", "9"], || backward(2, 6, 9));
    panics("no lanes", &["at least 1"], || classes().with_lanes(0));
}

#[test]
fn of_optimizers() {
    let sgd = OptimizerConfig::Sgd(SgdConfig::new(0.1));
    let update = |weights: usize, gradient: usize, readout: usize| {
        let core = vec![("all".to_string(), std::iter::once(0..4).collect())];
        let mut updater = Updater::new(&sgd, &UpdateConfig::default(), core, 2, None).unwrap();
        let vectors = [
            Parameters { weights: &mut vec![0.0; weights], gradient: &mut vec![0.0; gradient] },
            Parameters { weights: &mut vec![0.0; readout], gradient: &mut vec![0.0; readout] },
        ];
        updater.update(vectors, 1.0, 0.0);
    };
    update(4, 4, 2);
    panics("weights", &["4", "5"], || update(5, 4, 2));
    panics("gradient", &["4", "3"], || update(4, 3, 2));
    panics("longer gradient", &["4", "6"], || update(4, 6, 2));
    panics("readout", &["2", "3"], || update(4, 4, 3));
    panics("weights of Adam", &["4", "5"], || {
        Adam::<f32>::new(AdamConfig::new(0.1), 4).update(0..4, &mut [0.0; 5], &mut [0.0; 5], 1.0, 0.1);
    });
}
