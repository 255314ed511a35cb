//! Prefixes of tensors: found, given, or not to be told apart.

use crate::support::{File, bits, description, net};
use rtrl_interchange::{InterchangeError as E, Names, Zeros, export, from_bytes, import};
use rtrl_tasks::Signal;
use rtrl_train::Model;

/// Nets in which the matrices of all parts have the same shape, so that shapes alone tell nothing; and nets without
/// an embedding.
fn nets() -> Vec<Model> {
    let mut nets = Vec::new();
    for below in [r#"{"kind": "embedding", "units": 4}, "#, ""] {
        for hidden in ["", r#""hidden": 4"#] {
            let json = format!(
                r#"{{"layers": [{below}{{"kind": "vanilla", "units": 4}}], "readout": {{{hidden}}}}}"#
            );
            let model = net(&json, Signal::Symbols(4), Signal::Symbols(4));
            // The bias of the embedding becomes a part of its table.
            let bytes = export(&model, &Names::default()).unwrap();
            nets.push(from_bytes(&bytes, &Names::default(), Zeros::Keep).unwrap());
        }
    }
    nets
}

fn given(embedding: &str, rnn: &str, readout: &str) -> Names {
    let [embedding, rnn, readout] = [embedding, rnn, readout].map(|prefix| Some(prefix.to_string()));
    Names { embedding, rnn, readout }
}

#[test]
fn prefixes_are_found() {
    for model in nets() {
        for (embedding, rnn, readout) in [
            ("embedding.", "rnn.", "readout."),
            ("emb.", "gru.", "head."),
            ("model.encoder.", "model.decoder.rnn.", "lm_head."),
            ("embed.", "", "fc."),
            ("word.", "rnn.", ""),
            ("", "lstm.", "out."),
            // Names that mislead.
            ("readout.", "embedding.", "rnn."),
        ] {
            let names = given(embedding, rnn, readout);
            let bytes = export(&model, &names).unwrap();
            let found = from_bytes(&bytes, &Names::default(), Zeros::Keep);
            let found = found.unwrap_or_else(|error| panic!("{names:?}: {error}"));
            assert_eq!(bits(&found), bits(&model), "{names:?}");
            assert_eq!(bits(&from_bytes(&bytes, &names, Zeros::Keep).unwrap()), bits(&model), "{names:?}");
        }
    }
}

/// A net that reads two numbers, and its file.
fn small() -> (Model, File, String) {
    let json = r#"{"layers": [{"kind": "gru", "units": 3}]}"#;
    let model = net(json, Signal::Values(2), Signal::Values(2));
    let bytes = export(&model, &Names::default()).unwrap();
    (model, File::read(&bytes), description(&bytes))
}

#[test]
fn a_bare_gru_is_found_beside_a_readout() {
    let (model, file, _) = small();
    let bare = file.renamed(&[("rnn.", "")]);
    assert!(bare.0.contains_key("weight_ih_l0"));
    let mut other = Model::initial(model.net(), model.signals().0, model.signals().1, 8).unwrap();
    import(&mut other, &bare.bytes(), &Names::default(), Zeros::Keep).unwrap();
    assert_eq!(bits(&other), bits(&model));
}

#[test]
fn modules_that_cannot_be_told_apart_are_listed() {
    let (model, file, json) = small();
    let mut two = file.clone().renamed(&[("rnn.", "a."), ("readout.", "x.")]);
    two.0.extend(file.clone().renamed(&[("rnn.", "b."), ("readout.", "y.")]).0);
    two.values("b.weight_ih_l0").fill(0.25);
    two.values("y.weight").fill(0.25);
    let read = |file: &File, names: &Names| from_bytes(&file.described(Some(&json)), names, Zeros::Keep);
    let refused = |file: &File, names: &Names| read(file, names).unwrap_err();

    let error = refused(&two, &Names::default());
    assert!(matches!(&error, E::Ambiguous { part: "rnn", found } if found == "`a.`, `b.`"), "{error}");
    let expected =
        "rnn could be any of the modules with the prefixes `a.`, `b.`: name one, as in `rnn=PREFIX`";
    assert_eq!(error.to_string(), expected);
    let error = refused(&two, &Names { rnn: Some("a.".into()), ..Names::default() });
    assert!(matches!(&error, E::Ambiguous { part: "readout", found } if found == "`x.`, `y.`"), "{error}");
    // Once all are named, others may be there.
    let names = |rnn: &str, readout: &str| given("none.", rnn, readout);
    assert_eq!(bits(&read(&two, &names("a.", "x.")).unwrap()), bits(&model));
    let other = read(&two, &names("b.", "y.")).unwrap();
    assert_eq!(other.readout().parameters()[..6], [0.25; 6]);
    assert_ne!(other.weights(), model.weights());
    // But not more of the same modules.
    let mut more = two.clone();
    more.0.insert("a.weight_ih_l0_reverse".into(), (vec![9, 2], vec![0.5; 18]));
    more.0.insert("x.2.weight".into(), (vec![2, 2], vec![0.5; 4]));
    let error = refused(&more, &names("a.", "x."));
    assert!(
        matches!(&error, E::Unexpected { names } if names == "a.weight_ih_l0_reverse, x.2.weight"),
        "{error}"
    );

    // Shapes tell the module, and what is left over is named.
    let mut shapes = two.clone();
    shapes.0.insert("b.weight_hh_l0".into(), (vec![9, 4], vec![0.5; 36]));
    shapes.0.insert("y.weight".into(), (vec![3, 3], vec![0.5; 9]));
    let error = refused(&shapes, &Names::default());
    let left = "b.bias_hh_l0, b.bias_ih_l0, b.weight_hh_l0, b.weight_ih_l0, y.bias, y.weight";
    assert!(matches!(&error, E::Unexpected { names } if names == left), "{error}");
}

#[test]
fn embeddings_that_cannot_be_told_apart_are_listed() {
    let json = r#"{"layers": [{"kind": "embedding", "units": 2}, {"kind": "gru", "units": 3}]}"#;
    let model = net(json, Signal::Symbols(5), Signal::Values(2));
    let bytes = export(&model, &Names::default()).unwrap();
    let (mut file, json) = (File::read(&bytes), description(&bytes));
    file.0.insert("other.weight".into(), (vec![5, 2], vec![0.5; 10]));
    let error = from_bytes(&file.described(Some(&json)), &Names::default(), Zeros::Keep).unwrap_err();
    let found = "`embedding.`, `other.`";
    assert!(matches!(&error, E::Ambiguous { part: "embedding", found: f } if f == found), "{error}");
    let names = given("other.", "rnn.", "readout.");
    let other = from_bytes(&file.described(Some(&json)), &names, Zeros::Keep).unwrap();
    // Two rows of five weights and a bias.
    assert_eq!(other.weights()[..12], [[0.5; 5].as_slice(), &[0.0]].concat().repeat(2));
}

#[test]
fn what_is_not_found_is_named_as_it_is_written() {
    let (_, file, json) = small();
    let refused = |change: &dyn Fn(&mut File)| {
        let mut file = file.clone();
        change(&mut file);
        from_bytes(&file.described(Some(&json)), &Names::default(), Zeros::Keep).unwrap_err()
    };
    let error = refused(&|file| drop(file.0.remove("rnn.weight_ih_l0")));
    assert!(matches!(&error, E::Missing { name, .. } if name == "rnn.weight_ih_l0"), "{error}");
    let error = refused(&|file| *file = file.clone().renamed(&[("rnn.weight", "gru.weight")]));
    assert!(matches!(&error, E::Missing { name, .. } if name == "gru.bias_ih_l0"), "{error}");
    let error = refused(&|file| drop(file.0.remove("readout.bias")));
    assert!(matches!(&error, E::Missing { name, .. } if name == "readout.bias"), "{error}");
    // A single candidate is the part, so that its shape is what is wrong.
    let error = refused(&|file| {
        *file = file.clone().renamed(&[("readout.", "head.")]);
        file.0.insert("head.weight".into(), (vec![2, 4], vec![0.5; 8]));
    });
    assert!(matches!(&error, E::Shape { name, .. } if name == "head.weight"), "{error}");
}

#[test]
fn two_parts_of_one_name_are_refused() {
    for model in nets().into_iter().filter(|model| model.net().layers.len() == 2) {
        let plain = model.net().readout.hidden.is_none();
        let embedding = if plain { "x." } else { "x.0." };
        let names = given(embedding, "rnn.", "x.");
        let error = export(&model, &names).unwrap_err();
        let shared = format!("{embedding}weight");
        assert!(matches!(&error, E::Shared { name } if *name == shared), "{error}");
        let bytes = export(&model, &Names::default()).unwrap();
        let error = from_bytes(&bytes, &names, Zeros::Keep).unwrap_err();
        assert!(matches!(&error, E::Shared { name } if *name == shared), "{error}");
    }
}
