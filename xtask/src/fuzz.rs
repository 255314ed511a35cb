//! `cargo xtask fuzz`: fuzzes everything that reads a file.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::flags::{Fuzz, FuzzTarget};
use crate::nightly::{self, Failure};

impl FuzzTarget {
    /// Its name in `xtask/fuzz/Cargo.toml`.
    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Trainer => "trainer",
            Self::Config => "config",
            Self::Corpus => "corpus",
            Self::Tensors => "tensors",
            Self::Table => "table",
        }
    }

    /// libFuzzer's bound on the size of an input: twice the largest seed, so that it can grow.
    fn longest(self) -> usize {
        match self {
            Self::Model => 1 << 13,
            Self::Trainer => 1 << 15,
            Self::Tensors => 1 << 12,
            Self::Config | Self::Corpus | Self::Table => 1 << 11,
        }
    }
}

/// Runs the targets that `flags` names, one after the other, until one finds something.
///
/// # Errors
/// Status 2 if a tool is missing, with how to get it; 1 if a target found an input, with where it is.
pub fn run(flags: &Fuzz) -> Result<(), Failure> {
    nightly::require("fuzz", "cargo install cargo-fuzz")?;
    let own = nightly::root().join("xtask/fuzz");
    // Fuzz targets are built with the versions of dependencies that the workspace is tested with.
    std::fs::copy(nightly::root().join("Cargo.lock"), own.join("Cargo.lock"))
        .map_err(|error| (1, format!("cannot copy Cargo.lock to {}: {error}", own.display())))?;
    let targets = if flags.targets.is_empty() { FuzzTarget::value_variants() } else { &flags.targets };
    targets.iter().try_for_each(|&target| one(target, flags.seconds))
}

fn one(target: FuzzTarget, seconds: u64) -> Result<(), Failure> {
    let name = target.name();
    let build = std::env::var_os("CARGO_TARGET_DIR").map_or(nightly::root().join("target"), PathBuf::from);
    let build = nightly::root().join(build).join("fuzz");
    let folder = |kind: &str| {
        let path = build.join(kind).join(name);
        std::fs::create_dir_all(&path)
            .map_err(|error| (1, format!("cannot create {}: {error}", path.display())))?;
        Ok::<_, Failure>(path.display().to_string())
    };
    // The corpus is kept: the next call begins with the inputs that this one finds interesting.
    let (corpus, found) = (folder("corpus")?, folder("found")?);
    let mut command = nightly::cargo(&["fuzz", "run", "--fuzz-dir", "xtask/fuzz", name, &corpus]);
    command.arg("--target-dir").arg(&build).arg("--").env("RTRL_FUZZ_SEEDS", &corpus);
    command.arg(format!("-artifact_prefix={found}/")).arg(format!("-max_len={}", target.longest()));
    // A single allocation of this size means that a reader trusts a length that the file claims.
    command.args(["-malloc_limit_mb=64", "-timeout=20", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    nightly::run(&mut command, &format!("the target {name} found an input; it is the newest in {found}"))
}
