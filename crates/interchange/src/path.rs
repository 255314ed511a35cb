//! Files and folders.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rtrl_train::{Model, NetConfig};
use serde::{Deserialize, Serialize};

use crate::description::{Count, Description};
use crate::file::File;
use crate::import::build;
use crate::layout::{self, Kind};
use crate::{InterchangeError, Names, Zeros, export, import};

/// The files of a folder, named as programs around PyTorch expect.
const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";

/// The kind of model that `config.json` names.
const TYPE: &str = "rtrl";

/// What `config.json` says. It may have other fields, which other programs add.
#[derive(Debug, Serialize, Deserialize)]
struct Config {
    model_type: String,
    net: NetConfig,
    inputs: Count,
    targets: Count,
    #[serde(default)]
    names: Names,
}

impl Config {
    /// The text of `config.json`.
    fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }
}

/// [`export`]s to the file at `path`. Also after a failure, the file is either complete or as it was before.
///
/// # Errors
/// Those of [`export`], or [`InterchangeError::File`] if the file cannot be written.
pub fn save(model: &Model, names: &Names, path: &Path) -> Result<(), InterchangeError> {
    write(path, &export(model, names)?)
}

/// [`export`]s to the folder at `path`, which is made if there is none: `model.safetensors`, and `config.json` with
/// the description of the net and the names of its parts. Either file is replaced as a whole or not at all; other
/// files are left alone.
///
/// # Errors
/// Those of [`export`]; [`InterchangeError::File`] if the folder cannot be made or a file cannot be written;
/// [`InterchangeError::Description`] if the folder has a `config.json` of another program.
pub fn save_folder(model: &Model, names: &Names, path: &Path) -> Result<(), InterchangeError> {
    let weights = export(model, names)?;
    let Description { net, inputs, targets } = Description::of(model);
    let parts = layout::parts(&net, inputs.into())?;
    let prefixes = names.written();
    let has = |embedding: bool| parts.iter().any(|part| (part.kind == Kind::Embedding) == embedding);
    let names = Names {
        embedding: has(true).then_some(prefixes.embedding),
        rnn: has(false).then_some(prefixes.rnn),
        readout: Some(prefixes.readout),
    };
    let config = Config { model_type: TYPE.to_string(), net, inputs, targets, names };
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => (),
        made => made.map_err(failed("make", path))?,
    }
    if let Ok(json) = std::fs::read(path.join(CONFIG)) {
        expect_type(&json)?;
    }
    // A reader compares the two, so that new weights beside an old description are not taken for its net.
    write(&path.join(WEIGHTS), &weights)?;
    write(&path.join(CONFIG), config.to_json().as_bytes())
}

/// [`import`]s from the file at `path`, or from a folder as [`save_folder`] writes.
///
/// # Errors
/// Those of [`import`], [`InterchangeError::File`] if a file cannot be read, or
/// [`InterchangeError::Description`] if `config.json` describes no net.
pub fn load(model: &mut Model, path: &Path, names: &Names, zeros: Zeros) -> Result<(), InterchangeError> {
    let source = Source::open(path)?;
    if let Some((description, _)) = &source.config {
        description.expect(&Description::of(model), "the net")?;
    }
    import(model, &source.bytes, &source.names(names), zeros)
}

/// Makes a net from a safetensors file that describes it, or from a folder as [`save_folder`] writes. The net belongs
/// to no run.
///
/// # Errors
/// Those of [`from_bytes`](crate::from_bytes), [`InterchangeError::File`] if a file cannot be read, or
/// [`InterchangeError::Differs`] if the two files of a folder describe different nets.
pub fn read(path: &Path, names: &Names, zeros: Zeros) -> Result<Model, InterchangeError> {
    let source = Source::open(path)?;
    let file = File::parse(&source.bytes)?;
    let own = file.description()?;
    let description = match &source.config {
        None => &own.ok_or(InterchangeError::NoDescription)?,
        Some((description, _)) => {
            if let Some(own) = own {
                own.expect(description, "`config.json`")?;
            }
            description
        }
    };
    build(&file, description, &source.names(names), zeros)
}

/// What is read from a path.
struct Source {
    /// The safetensors file.
    bytes: Vec<u8>,
    /// What `config.json` of a folder says.
    config: Option<(Description, Names)>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, InterchangeError> {
        let read = |path: &Path| std::fs::read(path).map_err(failed("read", path));
        if !path.is_dir() {
            return Ok(Self { bytes: read(path)?, config: None });
        }
        let config = parse(&read(&path.join(CONFIG))?)?;
        Ok(Self { bytes: read(&path.join(WEIGHTS))?, config: Some(config) })
    }

    /// The names given, and for the rest those of `config.json`.
    fn names(&self, given: &Names) -> Names {
        self.config.as_ref().map_or_else(|| given.clone(), |(_, names)| given.or(names))
    }
}

/// The error for a `config.json` that cannot be used.
fn refused(reason: String) -> InterchangeError {
    InterchangeError::Description { place: "`config.json`", reason }
}

/// Refuses a `config.json` that describes a model of another program.
fn expect_type(json: &[u8]) -> Result<(), InterchangeError> {
    #[derive(Deserialize)]
    struct Type {
        model_type: Option<String>,
    }
    let Type { model_type } = serde_json::from_slice(json).map_err(|error| refused(error.to_string()))?;
    if model_type.as_deref() == Some(TYPE) {
        return Ok(());
    }
    let found = model_type.map_or("nothing".to_string(), |found| format!("`{found}`"));
    Err(refused(format!("`model_type` must be `{TYPE}`, found {found}")))
}

/// Reads `config.json`.
fn parse(json: &[u8]) -> Result<(Description, Names), InterchangeError> {
    expect_type(json)?;
    let config = serde_json::from_slice(json).map_err(|error| refused(error.to_string()))?;
    let Config { net, inputs, targets, names, .. } = config;
    Ok((Description { net, inputs, targets }.checked("`config.json`")?, names))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), InterchangeError> {
    rtrl_checkpoint::replace(path, |file| file.write_all(bytes)).map_err(failed("write", path))
}

/// Makes the error of a file operation, for `map_err`.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> InterchangeError {
    let path: PathBuf = path.to_path_buf();
    move |source| InterchangeError::File { action, path, source }
}
