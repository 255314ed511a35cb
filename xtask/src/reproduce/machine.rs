//! What the numbers of a report depend on besides the configuration.

use std::process::Command;

use rtrl_sparse::testing::Level;
use sysinfo::System;

use crate::report::Environment;

/// The machine and the versions of this run.
pub fn environment() -> Environment {
    let system = System::new_all().ok();
    let dirty = first_line("git", &["status", "--porcelain"]).is_some();
    let commit = first_line("git", &["rev-parse", "--short=12", "HEAD"]);
    let cpu = system.as_ref().and_then(|s| Some(s.cpus().first()?.brand().trim().to_string()));
    Environment {
        rtrl_version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit.map(|commit| if dirty { format!("{commit} with changes") } else { commit }),
        rustc: first_line("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_string()),
        os: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_string()),
        cpu: cpu.unwrap_or_else(|| "unknown".to_string()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: system.as_ref().map_or(0, System::total_memory),
        isa: format!("{}, {:?}", std::env::consts::ARCH, Level::current()),
    }
}

/// The first line that a command prints, if it succeeds and prints one.
fn first_line(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string)
}
