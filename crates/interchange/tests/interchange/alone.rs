//! Files and folders that need nothing else.

use std::path::Path;

use crate::support::{File, answers, bits, description, difference, net, vectors};
use rtrl_interchange::{
    InterchangeError as E, Names, Zeros, export, from_bytes, import, load, read, save, save_folder,
};
use rtrl_tasks::Signal;
use rtrl_train::Model;

const SYMBOLS: Signal = Signal::Symbols(6);
const VALUES: Signal = Signal::Values(3);

/// Nets with and without masks, embedding and hidden readout.
fn nets() -> Vec<Model> {
    let mut nets = Vec::new();
    for kind in ["vanilla", "vanilla-relu", "gru", "lstm"] {
        for sparsity in ["", r#", "sparsity": 0.5, "input_sparsity": 0.3"#] {
            let layer = format!(r#"{{"kind": "{kind}", "units": 7{sparsity}}}"#);
            let embedding = r#"{"kind": "embedding", "units": 4}, "#;
            for (below, hidden, signals) in [
                ("", "", (VALUES, VALUES)),
                ("", r#""hidden": 5"#, (SYMBOLS, VALUES)),
                (embedding, "", (SYMBOLS, SYMBOLS)),
                (embedding, r#""hidden": 5"#, (SYMBOLS, VALUES)),
            ] {
                let json = format!(r#"{{"layers": [{below}{layer}, {layer}], "readout": {{{hidden}}}}}"#);
                nets.push(net(&json, signals.0, signals.1));
            }
        }
    }
    nets
}

fn has_embedding(model: &Model) -> bool {
    model.net().layers[0].gates() == 0
}

#[test]
fn a_net_comes_back_from_a_file_alone_and_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (file, folder) = (folder.path().join("net.safetensors"), folder.path().join("net"));
    let names = Names::default();
    for mut model in nets() {
        let masked = model.net().layers.iter().any(|layer| layer.size().sparsity > 0.0);
        let zeros = if masked { Zeros::Mask } else { Zeros::Keep };
        if has_embedding(&model) {
            // The bias of an embedding becomes a part of its table, once.
            model = from_bytes(&export(&model, &names).unwrap(), &names, zeros).unwrap();
        }
        save(&model, &names, &file).unwrap();
        save_folder(&model, &names, &folder).unwrap();
        for path in [&file, &folder] {
            let back = read(path, &names, zeros).unwrap();
            assert_eq!(bits(&back), bits(&model));
            assert_eq!(back.run(), None);
            let mut other = Model::initial(model.net(), model.signals().0, model.signals().1, 9).unwrap();
            load(&mut other, path, &names, zeros).unwrap();
            assert_eq!(bits(&other), bits(&model));
        }
    }
}

#[test]
fn zeros_that_are_kept_are_weights_like_others() {
    let json = r#"{"layers": [{"kind": "gru", "units": 7, "sparsity": 0.5}]}"#;
    let model = net(json, VALUES, SYMBOLS);
    let bytes = export(&model, &Names::default()).unwrap();
    let kept = from_bytes(&bytes, &Names::default(), Zeros::Keep).unwrap();
    // Three gates with both matrices, and the two biases of n.
    assert_eq!(kept.weights().len(), 3 * 7 * (3 + 7) + 4 * 7);
    assert!(model.weights().len() < kept.weights().len());
    let inputs = |t: usize| crate::support::Read::Values(vec![t as f32 / 9.0, 0.5, -1.0]);
    let inputs: Vec<_> = (0..9).map(inputs).collect();
    // The sums have the same terms, and zeros.
    assert!(difference(&answers(&kept, &inputs).1, &answers(&model, &inputs).1) < 1e-6);
    assert_eq!(export(&kept, &Names::default()).unwrap(), bytes);
}

#[test]
fn equal_nets_give_equal_files_with_the_format_and_the_net() {
    let model = net(r#"{"layers": [{"kind": "lstm", "units": 4}]}"#, SYMBOLS, VALUES);
    let bytes = export(&model, &Names::default()).unwrap();
    for _ in 0..20 {
        assert_eq!(export(&model, &Names::default()).unwrap(), bytes);
    }
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!((metadata.len(), metadata["format"].as_str()), (2, "pt"));
    let found: serde_json::Value = serde_json::from_str(&metadata["rtrl"]).unwrap();
    let expected = serde_json::json!({
        "net": { "layers": [{ "kind": "lstm", "units": 4, "sparsity": 0.0, "input_sparsity": 0.0 }], "readout": {} },
        "inputs": { "symbols": 6 },
        "targets": { "values": 3 },
    });
    assert_eq!(found, expected);
}

#[test]
fn files_that_describe_nothing_need_a_net() {
    let (v, bytes) = vectors("gru");
    let alone = from_bytes(&bytes, &Names::default(), Zeros::Keep).unwrap_err();
    assert!(matches!(alone, E::NoDescription), "{alone}");
    import(&mut v.net.model(0.0, 3), &bytes, &Names::default(), Zeros::Keep).unwrap();
    let foreign = File::read(&bytes).described(Some("{"));
    let broken = import(&mut v.net.model(0.0, 3), &foreign, &Names::default(), Zeros::Keep).unwrap_err();
    assert!(matches!(broken, E::Description { .. }), "{broken}");
}

#[test]
fn a_file_of_another_net_is_refused_even_if_its_tensors_fit() {
    let gru = r#"{"layers": [{"kind": "gru", "units": 4}]}"#;
    let deep = r#"{"layers": [{"kind": "gru", "units": 4}, {"kind": "gru", "units": 4}]}"#;
    let wide = r#"{"layers": [{"kind": "gru", "units": 5}]}"#;
    let sparse = r#"{"layers": [{"kind": "gru", "units": 4, "sparsity": 0.5}]}"#;
    let hidden = r#"{"layers": [{"kind": "gru", "units": 4}], "readout": {"hidden": 2}}"#;
    let tanh = r#"{"layers": [{"kind": "vanilla", "units": 4}]}"#;
    let relu = r#"{"layers": [{"kind": "vanilla-relu", "units": 4}]}"#;
    let six = Signal::Values(6);
    let refused = |file: (&str, Signal, Signal), own: (&str, Signal, Signal)| {
        let bytes = export(&net(file.0, file.1, file.2), &Names::default()).unwrap();
        let mut model = net(own.0, own.1, own.2);
        let before = bits(&model);
        let error = import(&mut model, &bytes, &Names::default(), Zeros::Mask).err();
        assert!(error.is_none() || bits(&model) == before);
        error.map(|error| error.to_string())
    };
    for (file, own, expected) in [
        (
            (tanh, six, six),
            (relu, six, six),
            "layer 0 as `vanilla` of 4 units, but the net has `vanilla-relu` of 4",
        ),
        ((gru, six, six), (wide, six, six), "layer 0 as `gru` of 4 units, but the net has `gru` of 5 units"),
        ((gru, six, six), (deep, six, six), "the net as one layer, but the net has 2 layers"),
        (
            (gru, six, six),
            (hidden, six, six),
            "the readout as linear, but the net has a hidden layer of 2 units",
        ),
        ((gru, six, six), (gru, SYMBOLS, six), "the inputs as 6 numbers, but the net has 6 symbols"),
        ((gru, six, six), (gru, six, SYMBOLS), "the targets as 6 numbers, but the net has 6 symbols"),
    ] {
        let error = refused(file, own).unwrap();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(refused((sparse, six, six), (gru, six, six)), None);
    assert_eq!(refused((gru, six, six), (sparse, six, six)), None);
}

fn entries(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_folder_says_what_it_holds() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("net");
    let json = r#"{"layers": [{"kind": "embedding", "units": 4}, {"kind": "gru", "units": 4}]}"#;
    let model = net(json, SYMBOLS, SYMBOLS);
    let names =
        Names { rnn: Some("model.gru.".into()), readout: Some("lm_head.".into()), ..Names::default() };
    save_folder(&model, &names, &folder).unwrap();
    assert_eq!(entries(&folder), ["config.json", "model.safetensors"]);
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(config["model_type"], "rtrl");
    assert_eq!(config["names"]["rnn"], "model.gru.");
    assert_eq!(config["names"]["embedding"], "embedding.");
    assert_eq!(
        (&config["inputs"]["symbols"], &config["net"]["layers"][1]["kind"]),
        (&6.into(), &"gru".into())
    );
    let same = |zeros| bits(&read(&folder, &Names::default(), zeros).unwrap()).weights;
    let before = same(Zeros::Keep);

    // Fields of other programs are no mistake; and the description is enough, whatever the weights say.
    config["transformers_version"] = "5.0".into();
    let write = |text: String| std::fs::write(folder.join("config.json"), text).unwrap();
    write(config.to_string());
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    std::fs::write(folder.join("model.safetensors"), File::read(&bytes).bytes()).unwrap();
    assert_eq!(same(Zeros::Keep), before);

    for (field, value, expected) in [
        ("model_type", "gpt2".into(), "`config.json`: `model_type` must be `rtrl`, found `gpt2`"),
        ("model_type", serde_json::Value::Null, "`config.json`: `model_type` must be `rtrl`, found nothing"),
        (
            "inputs",
            serde_json::json!({ "symbols": 0 }),
            "`config.json`: `inputs` must be at least 1, found 0",
        ),
        ("inputs", serde_json::json!({ "letters": 6 }), "`config.json`: unknown variant `letters`"),
        ("names", serde_json::json!({ "gru": "rnn." }), "`config.json`: unknown field `gru`"),
        ("names", serde_json::json!({ "rnn": "other." }), "there is no tensor `other.weight_ih_l0`"),
    ] {
        let mut changed = config.clone();
        changed[field] = value;
        write(changed.to_string());
        let error = read(&folder, &Names::default(), Zeros::Keep).unwrap_err().to_string();
        assert!(error.starts_with(expected) && error.lines().count() == 1, "{error}");
    }
    // Names that are given go before those of the folder.
    let given = Names { rnn: Some("model.gru.".into()), ..Names::default() };
    read(&folder, &given, Zeros::Keep).unwrap();
    // What another program wrote is not overwritten.
    for foreign in ["no JSON", "{\"model_type\": \"gpt2\"}", "{}"] {
        write(foreign.into());
        assert!(matches!(read(&folder, &given, Zeros::Keep), Err(E::Description { .. })));
        assert!(matches!(save_folder(&model, &names, &folder), Err(E::Description { .. })));
        assert_eq!(std::fs::read_to_string(folder.join("config.json")).unwrap(), foreign);
    }
    std::fs::remove_file(folder.join("config.json")).unwrap();
    assert!(matches!(read(&folder, &given, Zeros::Keep), Err(E::File { action: "read", .. })));
}

#[test]
fn what_an_interrupted_export_leaves_is_refused_or_whole() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("net");
    let gru = |units: usize| {
        net(&format!(r#"{{"layers": [{{"kind": "gru", "units": {units}}}]}}"#), VALUES, VALUES)
    };
    save_folder(&gru(4), &Names::default(), &folder).unwrap();
    // Between the two files.
    save(&gru(5), &Names::default(), &folder.join("model.safetensors")).unwrap();
    let error = read(&folder, &Names::default(), Zeros::Keep).unwrap_err();
    let expected = "the file describes layer 0 as `gru` of 5 units, but `config.json` has `gru` of 4 units";
    assert_eq!(error.to_string(), expected);
    let error = load(&mut gru(5), &folder, &Names::default(), Zeros::Keep).unwrap_err();
    assert!(matches!(error, E::Differs { owner: "the net", .. }), "{error}");
    // Made again, it is whole.
    save_folder(&gru(5), &Names::default(), &folder).unwrap();
    assert_eq!(bits(&read(&folder, &Names::default(), Zeros::Keep).unwrap()), bits(&gru(5)));

    // A failure leaves whole files and no temporary ones.
    std::fs::remove_file(folder.join("config.json")).unwrap();
    std::fs::create_dir(folder.join("config.json")).unwrap();
    let error = save_folder(&gru(3), &Names::default(), &folder).unwrap_err();
    assert!(
        matches!(&error, E::File { action: "write", path, .. } if path.ends_with("config.json")),
        "{error}"
    );
    assert_eq!(entries(&folder), ["config.json", "model.safetensors"]);
    read(&folder.join("model.safetensors"), &Names::default(), Zeros::Keep).unwrap();
    let file = folder.join("model.safetensors");
    let error = save_folder(&gru(3), &Names::default(), &file).unwrap_err();
    assert!(matches!(error, E::File { action: "make", .. }), "{error}");
    let error = save_folder(&gru(3), &Names::default(), &root.path().join("no/folder")).unwrap_err();
    assert!(matches!(error, E::File { action: "make", .. }), "{error}");
}

/// Largest memory that a reading may take: it is a multiple of the file's size.
fn bound(bytes: &[u8]) -> u64 {
    100_000 + 50 * bytes.len() as u64
}

#[test]
fn damaged_descriptions_are_refused_without_much_memory() {
    let json = r#"{"layers": [{"kind": "gru", "units": 4}], "readout": {"hidden": 3}}"#;
    let bytes = export(&net(json, VALUES, SYMBOLS), &Names::default()).unwrap();
    let (file, good) = (File::read(&bytes), description(&bytes));
    let layer = r#"{"kind":"gru","units":4,"sparsity":0.0,"input_sparsity":0.0}"#;
    let refused = |json: &str| {
        let bytes = file.described(Some(json));
        let mut error = None;
        let taken = allocation_counter::measure(|| {
            error = from_bytes(&bytes, &Names::default(), Zeros::Keep).err();
        });
        let error = error.unwrap_or_else(|| panic!("{json}"));
        assert!(taken.bytes_max < bound(&bytes), "{error}: {} bytes", taken.bytes_max);
        error
    };
    let change = |old: &str, new: &str| {
        let changed = good.replacen(old, new, 1);
        assert_ne!(changed, good, "{old}");
        refused(&changed)
    };
    for json in ["", "{", "null", "[]", "{}", "GRU", "{\"net\":{}}", &good[..good.len() - 1]] {
        assert!(matches!(refused(json), E::Description { .. }), "{json}");
    }
    for (old, new) in [
        ("\"gru\"", "\"grue\""),
        ("\"gru\"", "7"),
        ("\"units\":4", "\"units\":-4"),
        ("\"units\":4", "\"units\":4.5"),
        ("\"units\":4", "\"units\":99999999999999999999999"),
        ("\"units\":4", "\"unit\":4"),
        ("\"units\":4", "\"units\":0"),
        ("\"hidden\":3", "\"hidden\":0"),
        ("\"values\":3", "\"values\":0"),
        ("\"symbols\":6", "\"symbols\":0"),
        ("\"values\":3", "\"values\":3,\"symbols\":3"),
        ("\"inputs\"", "\"input\""),
        (layer, ""),
        ("{", "{\"more\":1,"),
    ] {
        let error = change(old, new);
        assert!(matches!(error, E::Description { .. }), "{old} to {new}: {error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    for (old, new) in [
        ("\"units\":4", "\"units\":5"),
        ("\"units\":4", "\"units\":20000"),
        ("\"units\":4", "\"units\":1000000000000"),
        ("\"symbols\":6", "\"symbols\":500000000"),
        ("\"units\":4", "\"units\":18446744073709551615"),
        ("\"hidden\":3", "\"hidden\":4"),
        ("\"hidden\":3", "\"hidden\":18446744073709551615"),
        ("\"values\":3", "\"values\":1152921504606846976"),
        ("\"symbols\":6", "\"symbols\":1152921504606846976"),
        ("\"gru\"", "\"lstm\""),
    ] {
        let error = change(old, new);
        assert!(matches!(error, E::Shape { .. }), "{old} to {new}: {error}");
    }
    let missing = |error: E, tensor: &str| {
        assert!(matches!(&error, E::Missing { name, .. } if name == tensor), "{error}");
    };
    missing(change("\"hidden\":3", ""), "readout.weight");
    missing(change(layer, &[layer; 2].join(",")), "rnn.weight_ih_l1");
    missing(change(layer, &vec![layer; 20_000].join(",")), "rnn.weight_ih_l1");
    let fewer = change("{\"kind\"", "{\"kind\":\"embedding\",\"units\":3},{\"kind\"");
    assert!(matches!(fewer, E::Layer { layer: 0, .. }), "{fewer}");
    for (old, new) in [("\"sparsity\":0.0", "\"sparsity\":1.0"), ("\"sparsity\":0.0", "\"sparsity\":-1e300")]
    {
        let error = change(old, new);
        assert!(matches!(error, E::Net(_)), "{old} to {new}: {error}");
    }
    assert!(matches!(change("\"gru\"", "\"quasi-lstm\""), E::Layer { layer: 0, .. }));
}

/// Whatever happens to the header: an error or a net, never a panic, and never more memory than the file allows.
#[test]
fn flipped_bits_of_the_header_do_no_harm() {
    let json = r#"{"layers": [{"kind": "gru", "units": 4, "sparsity": 0.5}]}"#;
    let bytes = export(&net(json, VALUES, Signal::Values(2)), &Names::default()).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (mut survived, mut most) = (0, 0);
    for at in 0..header {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let taken = allocation_counter::measure(|| {
                let read = from_bytes(&damaged, &Names::default(), Zeros::Mask);
                survived += u32::from(read.is_ok_and(|model| export(&model, &Names::default()).is_ok()));
            });
            most = most.max(taken.bytes_max);
        }
    }
    assert!(most < bound(&bytes), "{most} bytes");
    // Such as blanks, digits of a sparsity, and prefixes, which are found.
    assert!(survived < 8 * header as u32 / 10, "{survived} of {} flipped bits went unnoticed", 8 * header);
}
