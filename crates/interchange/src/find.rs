//! Which tensors of a file are those of a net.

use rtrl_tasks::Signal;
use rtrl_train::NetConfig;

use crate::file::File;
use crate::layout::{self, Kind, Part, Slot, Tensor};
use crate::names::Prefixes;
use crate::{InterchangeError, Names};

/// The tensors of a net, read from a file.
pub(crate) struct Tensors {
    /// Those of each layer, in the order of [`Part::slots`].
    pub layers: Vec<Vec<Tensor>>,
    /// Those of the readout, in the order of its parameters.
    pub readout: Vec<Tensor>,
}

/// Reads the tensors of a net. Nothing is allocated for what the net needs and the file does not have, so that the
/// file's size bounds what is.
pub(crate) fn tensors(
    file: &File<'_>,
    net: &NetConfig,
    signals: (Signal, Signal),
    names: &Names,
) -> Result<Tensors, InterchangeError> {
    let parts = layout::parts(net, signals.0)?;
    let prefixes = prefixes(file, net, signals.1, &parts, names)?;
    let layers: Vec<_> = parts.iter().map(|part| part.slots(&prefixes)).collect();
    let readout = layout::readout(net, signals.1, &prefixes);
    layout::distinct(layers.iter().flatten().chain(&readout))?;
    let mut expected: Vec<String> =
        layers.iter().flatten().chain(&readout).map(|slot| slot.name.clone()).collect();
    expected.sort_unstable();
    let read = |slots: Vec<Slot>| slots.into_iter().map(|slot| file.tensor(slot)).collect();
    let layers = layers.into_iter().map(read).collect::<Result<_, _>>()?;
    let readout = read(readout)?;
    let modules = modules(&parts, names, &prefixes);
    let unexpected = |name: &String| {
        let ours = modules.as_ref().is_none_or(|modules| modules.iter().any(|module| module.has(name)));
        ours && expected.binary_search(name).is_err()
    };
    let names: Vec<_> = file.names().into_iter().filter(unexpected).collect();
    match names.is_empty() {
        true => Ok(Tensors { layers, readout }),
        false => Err(InterchangeError::Unexpected { names: names.join(", ") }),
    }
}

/// A module of PyTorch that is a part of the net.
struct Module<'a> {
    prefix: &'a str,
    /// Whether it is a module of numbered ones, as a readout with a hidden layer is.
    numbered: bool,
}

impl Module<'_> {
    /// Whether a tensor of this name belongs to the module.
    fn has(&self, name: &str) -> bool {
        name.strip_prefix(self.prefix).is_some_and(|rest| match rest.split_once('.') {
            None => true,
            Some((first, _)) => self.numbered && first.bytes().all(|byte| byte.is_ascii_digit()),
        })
    }
}

/// The modules of a net, if the names of all of them are given; the file may then have others.
fn modules<'a>(parts: &[Part], names: &Names, prefixes: &'a Prefixes) -> Option<Vec<Module<'a>>> {
    let has = |embedding: bool| parts.iter().any(|part| (part.kind == Kind::Embedding) == embedding);
    let all = [
        (has(true), &names.embedding, &prefixes.embedding, false),
        (has(false), &names.rnn, &prefixes.rnn, false),
        (true, &names.readout, &prefixes.readout, true),
    ];
    let present = all.into_iter().filter(|(present, ..)| *present);
    present.map(|(_, given, prefix, numbered)| given.as_ref().map(|_| Module { prefix, numbered })).collect()
}

/// The prefixes of a net's tensors: given, or found in the file.
fn prefixes(
    file: &File<'_>,
    net: &NetConfig,
    targets: Signal,
    parts: &[Part],
    names: &Names,
) -> Result<Prefixes, InterchangeError> {
    let all = file.names();
    let mut prefixes = names.written();
    // What stands before `end`, the name of a matrix or a vector.
    let before = |end: &'static str| all.iter().filter_map(move |name| name.strip_suffix(end));
    let matrix = |name: &str| file.shape(name).is_some_and(|shape| shape.len() == 2);
    let there = |prefix: &str, end: &str| file.shape(&format!("{prefix}{end}")).is_some();
    let of = |embedding: bool| parts.iter().filter(move |part| (part.kind == Kind::Embedding) == embedding);
    let fit = |slots: Vec<Slot>| slots.iter().all(|slot| file.has(slot));
    let default = Prefixes::default();

    if names.rnn.is_none() && of(false).next().is_some() {
        let fits = |prefix: &str| {
            let prefixes = Prefixes { rnn: prefix.to_string(), ..default.clone() };
            of(false).all(|part| fit(part.slots(&prefixes)))
        };
        prefixes.rnn = choose("rnn", &default.rnn, before("weight_ih_l0").collect(), fits)?;
    }
    if names.embedding.is_none() && of(true).next().is_some() {
        let candidate = |prefix: &&str| matrix(&format!("{prefix}weight")) && !there(prefix, "bias");
        let fits = |prefix: &str| {
            let prefixes = Prefixes { embedding: prefix.to_string(), ..default.clone() };
            of(true).all(|part| fit(part.slots(&prefixes)))
        };
        let candidates = before("weight").filter(candidate).collect();
        prefixes.embedding = choose("embedding", &default.embedding, candidates, fits)?;
    }
    if names.readout.is_none() {
        let ends: [_; 2] =
            if net.readout.hidden.is_none() { ["weight", "bias"] } else { ["0.weight", "2.weight"] };
        let candidate = |prefix: &&str| matrix(&format!("{prefix}{}", ends[0])) && there(prefix, ends[1]);
        let fits = |prefix: &str| {
            let prefixes = Prefixes { readout: prefix.to_string(), ..default.clone() };
            fit(layout::readout(net, targets, &prefixes))
        };
        let candidates = before(ends[0]).filter(candidate).collect();
        prefixes.readout = choose("readout", &default.readout, candidates, fits)?;
    }
    Ok(prefixes)
}

/// The only candidate, or else the only one that fits. If none fits, the default prefix is taken, so that the error
/// names the tensor that is missing.
fn choose(
    part: &'static str,
    default: &str,
    candidates: Vec<&str>,
    fits: impl Fn(&str) -> bool,
) -> Result<String, InterchangeError> {
    if let [only] = candidates[..] {
        return Ok(only.to_string());
    }
    let fitting: Vec<_> = candidates.into_iter().filter(|prefix| fits(prefix)).collect();
    match fitting[..] {
        [] => Ok(default.to_string()),
        [only] => Ok(only.to_string()),
        _ => {
            let found: Vec<_> = fitting.iter().map(|prefix| format!("`{prefix}`")).collect();
            Err(InterchangeError::Ambiguous { part, found: found.join(", ") })
        }
    }
}
