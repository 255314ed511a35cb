//! Flags of the commands that convert files: `rtrl export`, `import` and `metrics`.

use std::path::PathBuf;

use clap::Args;

/// Flags of `rtrl export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Tensors have PyTorch's names (rnn.weight_ih_l0, …, readout.weight, …), shapes and order of gates. Weights that a sparse net does
not have are written as zeros. The file says what net it is of, so that `rtrl import` needs nothing else.

Examples:
  rtrl export runs/char-lm-0123456789ab net.safetensors
  rtrl export runs/char-lm-0123456789ab net/")]
pub struct Export {
    /// Model, checkpoint, or folder of a run.
    pub model: PathBuf,
    /// File to write, usually with a name that ends in `.safetensors`. If it is a folder or ends in `/`, a folder with
    /// `model.safetensors` and `config.json` is written.
    pub to: PathBuf,
    /// Prefixes of the tensors' names, such as `rnn=gru.,readout=head.,embedding=emb.`
    #[arg(long, value_name = "PART=PREFIX,…", value_delimiter = ',')]
    pub names: Vec<String>,
}

/// Flags of `rtrl import`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Without --config, the file says itself what net it is of, as `rtrl export` writes. A file from elsewhere needs a configuration: its
layers, its readout and, by its task, the sizes of input and output.

Examples:
  rtrl import net.safetensors model --mask
  rtrl import net/ model
  rtrl import torch.safetensors model --config lm.toml --names rnn=gru.,readout=head.")]
pub struct Import {
    /// Safetensors file with the weights, or a folder with `model.safetensors` and `config.json`.
    pub from: PathBuf,
    /// Model file to write.
    pub to: PathBuf,
    /// Where the model file was named when the configuration was the second place.
    #[arg(hide = true)]
    pub third: Option<PathBuf>,
    /// Configuration file of the net, in TOML.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Make the net sparse: remove the weights that are exactly zero.
    #[arg(long)]
    pub mask: bool,
    /// Prefixes of the tensors' names, such as `rnn=gru.,readout=head.,embedding=emb.`; those left out are found.
    #[arg(long, value_name = "PART=PREFIX,…", value_delimiter = ',')]
    pub names: Vec<String>,
}

/// Flags of `rtrl metrics`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Call it again while the run goes on to add the new records.

Examples:
  rtrl metrics runs/copy-0123456789ab copy.csv
  rtrl metrics runs/copy-0123456789ab logs/copy/events.out.tfevents.copy")]
pub struct Metrics {
    /// Folder of a run.
    pub run: PathBuf,
    /// File to write: CSV if its name ends in `.csv`, an event file for TensorBoard if its name contains `tfevents`.
    pub to: PathBuf,
}
