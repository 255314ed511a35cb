//! What does not fit is named, what is damaged is refused, and the model stays as it was.

use crate::support::{File, any_bytes, vectors};
use rtrl_interchange::{InterchangeError as E, Names, Zeros, export, import};
use rtrl_tasks::Signal;
use rtrl_train::{Model, RunConfig};

fn refused(name: &str, zeros: Zeros, change: impl FnOnce(&mut File)) -> E {
    let (v, bytes) = vectors(name);
    let mut file = File::read(&bytes);
    change(&mut file);
    let mut model = v.net.model(0.0, 3);
    let before = model.weights().to_vec();
    let error = import(&mut model, &file.bytes(), &Names::default(), zeros).unwrap_err();
    assert_eq!(model.weights(), before);
    error
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let error = refused("gru", Zeros::Keep, |file| {
        file.0.insert("rnn.weight_hh_l1".into(), (vec![15, 6], vec![0.5; 90]));
    });
    assert!(matches!(&error, E::Shape { name, expected, found }
        if name == "rnn.weight_hh_l1" && *expected == [15, 5] && *found == [15, 6]));
    assert_eq!(error.to_string(), "`rnn.weight_hh_l1` has the shape [15, 6], the net needs [15, 5]");

    let error = refused("gru", Zeros::Keep, |file| drop(file.0.remove("rnn.bias_hh_l1")));
    assert!(matches!(&error, E::Missing { name, found }
        if name == "rnn.bias_hh_l1" && found.contains("rnn.bias_ih_l1, ")));

    let error = refused("gru", Zeros::Keep, |file| {
        file.0.insert("rnn.weight_ih_l0_reverse".into(), (vec![15, 3], vec![0.5; 45]));
    });
    assert!(matches!(&error, E::Unexpected { names } if names == "rnn.weight_ih_l0_reverse"));

    let error = refused("lstm", Zeros::Keep, |file| file.values("rnn.weight_ih_l0")[4] = f32::NAN);
    assert!(
        matches!(&error, E::NotFinite { name, index, .. } if name == "rnn.weight_ih_l0" && *index == [1, 1])
    );
}

#[test]
fn parts_of_a_readout_without_a_name_are_refused() {
    for field in ["bypass", "output_gate"] {
        let text = format!(
            r#"
            layers = [{{ kind = "gru", units = 2 }}]
            readout = {{ {field} = true }}
            estimator = {{ kind = "frozen" }}
            optimizer = {{ kind = "sgd", learning_rate = 0.1 }}
            training = {{}}
            "#
        );
        let config = RunConfig::from_toml(&text, "test").unwrap();
        let model = Model::new(&config, Signal::Values(1), Signal::Values(1)).unwrap();
        let error = export(&model, &Names::default()).unwrap_err();
        assert!(matches!(&error, E::Readout { field: found } if *found == field), "{error}");
    }
}

#[test]
fn weights_without_a_place_are_refused() {
    let (v, bytes) = vectors("gru");
    let mut model = v.net.model(0.5, 3);
    let error = import(&mut model, &bytes, &Names::default(), Zeros::Keep).unwrap_err();
    assert!(
        matches!(&error, E::NoWeight { name, index, .. } if name.starts_with("rnn.weight_hh_l0") && index.len() == 2)
    );
    // As masks, the same file fits.
    import(&mut model, &bytes, &Names::default(), Zeros::Mask).unwrap();

    let error = refused("rnn", Zeros::Mask, |file| {
        file.values("rnn.weight_ih_l0")[2..4].fill(0.0);
        file.values("rnn.weight_hh_l0")[4..8].fill(0.0);
    });
    assert!(matches!(&error, E::Masks(_)) && error.to_string().contains("unit 1"), "{error}");
}

#[test]
fn nets_that_pytorch_does_not_have() {
    let layer = |layers: &str, inputs| {
        let config = format!(
            "task = {{ kind = 'copy' }}
             layers = [{layers}]
             estimator = {{ kind = 'frozen' }}
             optimizer = {{ kind = 'sgd', learning_rate = 0.01 }}
             training = {{ lanes = 1, window = 1, steps = 1, seed = 0 }}"
        );
        let config = RunConfig::from_toml(&config, "test").unwrap();
        let model = Model::new(&config, inputs, Signal::Values(2)).unwrap();
        match export(&model, &Names::default()) {
            Err(E::Layer { layer, .. }) => Some(layer),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        }
    };
    let symbols = Signal::Symbols(4);
    assert_eq!(layer("{ kind = 'gru', units = 3 }", symbols), None);
    assert_eq!(layer("{ kind = 'gru-reset-before', units = 3 }", symbols), Some(0));
    assert_eq!(layer("{ kind = 'quasi-lstm', units = 3 }", symbols), Some(0));
    assert_eq!(layer("{ kind = 'gru', units = 3 }, { kind = 'lstm', units = 3 }", symbols), Some(1));
    assert_eq!(layer("{ kind = 'gru', units = 3 }, { kind = 'gru', units = 4 }", symbols), Some(1));
    assert_eq!(layer("{ kind = 'gru', units = 3 }, { kind = 'embedding', units = 3 }", symbols), Some(1));
    assert_eq!(layer("{ kind = 'embedding', units = 3 }", Signal::Values(2)), Some(0));
}

/// Whatever happens to the bytes: an error, or other weights; never a panic, never half a net.
#[test]
fn damaged_files_are_refused() {
    let (v, bytes) = vectors("gru-symbols");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut model = v.net.model(0.0, 3);
    let before = model.weights().to_vec();
    let mut refuse = |bytes: &[u8], what: String| {
        let result = import(&mut model, bytes, &Names::default(), Zeros::Keep);
        assert!(result.is_err(), "{what}");
        assert_eq!(model.weights(), before, "{what}");
    };
    for len in 0..bytes.len() {
        refuse(&bytes[..len], format!("cut to {len} bytes"));
    }
    refuse(&[&bytes[..], &[0]].concat(), "a byte too many".into());
    refuse(&[&[0xff; 8], &bytes[8..]].concat(), "a header of 2^64 bytes".into());
    let mut survived = 0;
    for at in 0..header {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            // Some bits of the header mean nothing, such as blanks at its end; nothing may panic.
            let mut model = v.net.model(0.0, 3);
            survived += u32::from(import(&mut model, &damaged, &Names::default(), Zeros::Keep).is_ok());
        }
    }
    assert!(survived < 100, "{survived} of {} flipped bits of the header went unnoticed", 8 * header);
}

/// Every byte of a good file is left out, changed or doubled once. `cargo xtask fuzz` makes the same check for longer.
#[test]
fn any_bytes_are_read_or_refused() {
    for good in any_bytes::seeds() {
        any_bytes::tensors(&good);
        for at in 0..good.len() {
            let (before, rest) = good.split_at(at);
            any_bytes::tensors(before);
            for changed in [0, 1, b'9', b'"', b'}', 0xff] {
                any_bytes::tensors(&[before, &[changed], &rest[1..]].concat());
            }
            any_bytes::tensors(&[before, &rest[..1], rest].concat());
        }
    }
}
