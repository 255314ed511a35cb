//! `cargo xtask instructions`: counts the instructions of the hottest steps.
//!
//! Times vary from run to run and from machine to machine; the number of instructions of one program does not. A change that
//! makes a kernel do more work is seen here on a busy machine too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::flags::Instructions;
use crate::nightly::{Failure, root};

/// By how much a count may differ from the committed one: the C library copies memory by other instructions on other
/// processors.
const TOLERANCE: f64 = 0.02;

/// Counts every case and compares.
///
/// # Errors
/// Status 2 if there is no valgrind, with how to get it; 1 if a count has changed, or something fails.
pub fn run(flags: &Instructions) -> Result<(), Failure> {
    can_count().map_err(|reason| (2, reason.to_string()))?;
    let program = build()?;
    let names = output(&mut Command::new(&program))?.0;
    let mut counts = BTreeMap::new();
    for name in names.lines() {
        let count = count(&program, name)?;
        eprintln!("{name:40} {count:>12}");
        counts.insert(name.to_string(), count);
    }
    let path = root().join("benches/instructions.txt");
    if flags.update {
        return std::fs::write(&path, file(&counts))
            .map_err(|error| (1, format!("cannot write {}: {error}", path.display())));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| (1, format!("{}: {error}", path.display())))?;
    let changed =
        changed(&parse(&text).map_err(|message| (1, format!("{}: {message}", path.display())))?, &counts);
    if changed.is_empty() {
        return Ok(());
    }
    let hint = "if this is meant: cargo xtask instructions --update";
    Err((1, format!("instructions have changed:\n{}{hint}", changed.concat())))
}

/// Whether instructions can be counted here, and what is missing.
fn can_count() -> Result<(), &'static str> {
    if !has_avx2() {
        return Err("instructions are counted at the level of AVX2, which this processor does not have");
    }
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("instructions are counted by valgrind, which is not found: install it"),
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

/// Compiles the cases, and returns the program.
fn build() -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--package", "rtrl-counts", "--manifest-path"]);
    command.arg(root().join("Cargo.toml"));
    output(&mut command)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    Ok(root().join(target).join("release").join(format!("rtrl-counts{}", std::env::consts::EXE_SUFFIX)))
}

/// Instructions of the window of a case that is measured.
fn count(program: &std::path::Path, name: &str) -> Result<u64, Failure> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured*"]);
    let (_, told) = output(command.arg(program).arg(name))?;
    let count = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    // A function that was not found collects nothing.
    count.filter(|&count| count > 0).ok_or_else(|| (1, format!("{name}: valgrind counted nothing:\n{told}")))
}

/// What a command prints, on standard output and standard error.
fn output(command: &mut Command) -> Result<(String, String), Failure> {
    let told = format!("{command:?}");
    let output = command.output().map_err(|error| (1, format!("cannot start {told}: {error}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        return Err((1, format!("failed: {told}\n{}", text(&output.stderr))));
    }
    Ok((text(&output.stdout), text(&output.stderr)))
}

/// The committed file.
fn file(counts: &BTreeMap<String, u64>) -> String {
    let mut text =
        "# Instructions of one window at the level of AVX2, by `cargo xtask instructions --update`.\n"
            .to_string();
    for (name, count) in counts {
        let _ = writeln!(text, "{name} {count}");
    }
    text
}

fn parse(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let pair = |(number, line): (usize, &str)| {
        let (name, count) = line
            .split_once(' ')
            .and_then(|(name, count)| Some((name, count.parse().ok()?)))
            .ok_or_else(|| format!("line {}: expected a name and a number, found {line:?}", number + 1))?;
        Ok((name.to_string(), count))
    };
    lines.map(pair).collect()
}

/// A line for each case whose count is another one, or that only one side has.
fn changed(committed: &BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = committed.keys().chain(counts.keys()).collect();
    let line = |name: &String| match (committed.get(name), counts.get(name)) {
        (Some(&old), Some(&new)) => {
            let ratio = new as f64 / old as f64;
            let same = (ratio - 1.0).abs() <= TOLERANCE;
            (!same).then(|| format!("{name}: {old} -> {new} ({:+.1} %)\n", 100.0 * (ratio - 1.0)))
        }
        (None, _) => Some(format!("{name}: not in the file\n")),
        (_, None) => Some(format!("{name}: only in the file\n")),
    };
    names.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let counts = BTreeMap::from([("a-b".to_string(), 12), ("c".to_string(), 3)]);
        assert_eq!(parse(&file(&counts)), Ok(counts));
        assert!(parse("# first\na twelve\n").is_err_and(|message| message.starts_with("line 2")));
    }

    #[test]
    fn more_and_fewer_instructions_are_told() {
        let of =
            |counts: &[(&str, u64)]| counts.iter().map(|&(name, count)| (name.to_string(), count)).collect();
        let old = of(&[("more", 1000), ("fewer", 1000), ("same", 1000), ("gone", 1)]);
        let new = of(&[("more", 1030), ("fewer", 970), ("same", 1010), ("new", 1)]);
        let lines = changed(&old, &new);
        assert_eq!(
            lines,
            [
                "fewer: 1000 -> 970 (-3.0 %)\n",
                "gone: only in the file\n",
                "more: 1000 -> 1030 (+3.0 %)\n",
                "new: not in the file\n",
            ]
        );
    }
}
