//! `cargo xtask python`: builds and checks the Python package in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::flags::Python;
use crate::nightly::{Failure, root};

/// What the tests need in any case.
const NEEDED: &[&str] = &["numpy", "scipy", "pytest", "hypothesis", "mypy"];

/// What the package knows to work with.
const OPTIONAL: &[&str] = &["torch", "jax", "river", "pandas", "polars", "matplotlib"];

/// The oldest Python of the package.
const OLDEST: (u32, u32) = (3, 9);

/// Builds, tests and type-checks the package.
///
/// # Errors
/// Status 2 if there is no Python that can be used, with how to get it; 1 if a check fails, with its command.
pub fn run(flags: &Python) -> Result<(), Failure> {
    let Some(interpreter) = interpreter(flags.python.as_deref()) else {
        let (major, minor) = OLDEST;
        let message = format!("no Python {major}.{minor} or later with venv and pip is found");
        if flags.if_present {
            eprintln!("skipped: {message}");
            return Ok(());
        }
        return Err((2, format!("{message}: install one, or name it by --python")));
    };
    let target = target();
    let environment = target.join("python").join(if flags.full { "full" } else { "venv" });
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        check(Command::new(&interpreter).args(["-m", "venv"]).arg(&environment))?;
    }
    let wanted: Vec<&str> = NEEDED.iter().chain(OPTIONAL.iter().filter(|_| flags.full)).copied().collect();
    if let Err(failure) = install(&python, &environment, &wanted) {
        if flags.if_present {
            eprintln!("skipped: {} cannot be installed: no package index is reached", wanted.join(", "));
            return Ok(());
        }
        return Err(failure);
    }
    build(&python, &environment, &target, flags.full)?;
    let sources = root().join("python");
    // In the folder of the package that was just built: the one of the sources has no extension.
    let here = |words: &[&str]| {
        let mut command = Command::new(&python);
        command.args(words).current_dir(environment.join("package")).env("CARGO_TARGET_DIR", &target);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        if flags.full {
            command.env("RTRL_PYTHON_FULL", "1");
        }
        command
    };
    let settings = sources.join("pyproject.toml");
    let tests = sources.join("tests");
    check(here(&["-m", "pytest", "-p", "no:cacheprovider", "-c"]).arg(&settings).arg(tests))?;
    let cache = environment.join("mypy");
    check(here(&["-m", "mypy", "--strict", "--config-file"]).arg(&settings).arg("--cache-dir").arg(cache))?;
    check(here(&["-m", "mypy.stubtest", "rtrl._rtrl", "--mypy-config-file"]).arg(&settings))
}

/// The interpreter that is named, or the first on the path that can be used.
fn interpreter(named: Option<&Path>) -> Option<PathBuf> {
    let known = ["python3", "python"].map(PathBuf::from);
    let candidates = named.map_or(known.to_vec(), |named| vec![named.to_path_buf()]);
    let (major, minor) = OLDEST;
    let program = format!("import sys, venv, ensurepip; sys.exit(sys.version_info < ({major}, {minor}))");
    candidates.into_iter().find(|candidate| {
        let output = Command::new(candidate).args(["-c", &program]).output();
        output.is_ok_and(|output| output.status.success())
    })
}

/// Installs packages, unless they are there: an environment is used again without a network.
fn install(python: &Path, environment: &Path, wanted: &[&str]) -> Result<(), Failure> {
    let (done, list) = (environment.join("installed"), wanted.join(" "));
    if std::fs::read_to_string(&done).is_ok_and(|found| found == list) {
        return Ok(());
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"];
    check(Command::new(python).args(pip).args(wanted))?;
    std::fs::write(&done, list).map_err(|error| (1, format!("cannot write {}: {error}", done.display())))
}

/// Compiles the extension in the profile of the tests, or optimized for the long ones, and puts the package together in the
/// environment. (An installation by pip would compile it once more, in a folder of its own.)
fn build(python: &Path, environment: &Path, target: &Path, optimized: bool) -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = root().join("python/Cargo.toml");
    let compile: &[&str] = if optimized { &["build", "--release"] } else { &["build"] };
    for words in [compile, &["clippy", "--", "-D", "warnings"]] {
        let mut command = Command::new(&cargo);
        command.arg(words[0]).arg("--manifest-path").arg(&manifest).args(&words[1..]);
        command.env("CARGO_TARGET_DIR", target).env("PYO3_PYTHON", python);
        check(&mut command)?;
    }
    let package = environment.join("package/rtrl");
    let failed = |error: std::io::Error| (1, format!("cannot put the package together: {error}"));
    let copy = || {
        if package.exists() {
            std::fs::remove_dir_all(&package)?;
        }
        std::fs::create_dir_all(&package)?;
        for entry in std::fs::read_dir(root().join("python/rtrl"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), package.join(entry.file_name()))?;
            }
        }
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let built =
            target.join(if optimized { "release" } else { "debug" }).join(format!("{prefix}_rtrl{suffix}"));
        std::fs::copy(built, package.join(if cfg!(windows) { "_rtrl.pyd" } else { "_rtrl.abi3.so" }))
    };
    copy().map(drop).map_err(failed)
}

/// The folder of builds.
fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from))
}

fn check(command: &mut Command) -> Result<(), Failure> {
    let told = format!("{command:?}");
    eprintln!("== {told}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err((1, format!("failed: {told}"))),
        Err(error) => Err((1, format!("cannot start {told}: {error}"))),
    }
}
