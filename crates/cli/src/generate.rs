//! `rtrl generate`: test streams of observations of chaotic systems.

use std::io::{BufWriter, ErrorKind, Write};

use rtrl_tasks::chaos::System;
use rtrl_tasks::{ChaosConfig, ChaosParameters, ChaosTask, Step, Task};

use crate::Failure;
use crate::flags::{self, Generate};
use crate::stream::rows::Format;

/// Writes rows to standard output until there are `--rows` of them or nobody reads them any more.
///
/// # Errors
/// If a parameter is out of range, or the output cannot be written.
pub fn run(flags: &Generate) -> Result<(), Failure> {
    let mut task = task(flags)?;
    let mut step = Step::new(&task, 1);
    let mut output = BufWriter::new(std::io::stdout().lock());
    let names = &["x", "y", "z"][..step.input_values.len()];
    let mut write = || -> std::io::Result<Result<(), Failure>> {
        if flags.format == Format::Csv {
            writeln!(output, "{}", names.join(","))?;
        }
        for _ in 0..flags.rows.unwrap_or(u64::MAX) {
            if let Err(error) = task.next(&mut step) {
                return Ok(Err(error.into()));
            }
            let json = flags.format == Format::Json;
            for (i, (name, value)) in names.iter().zip(&step.input_values).enumerate() {
                match (json, i) {
                    (false, 0) => write!(output, "{value}")?,
                    (false, _) => write!(output, ",{value}")?,
                    (true, 0) => write!(output, "{{\"{name}\":{value}")?,
                    (true, _) => write!(output, ",\"{name}\":{value}")?,
                }
            }
            output.write_all(if json { b"}\n" } else { b"\n" })?;
        }
        output.flush().map(Ok)
    };
    match write() {
        Ok(result) => result,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("cannot write the rows: {error}"))),
    }
}

fn task(flags: &Generate) -> Result<ChaosTask, Failure> {
    let shifted = match flags.system {
        _ if flags.shift_at.is_none() => ChaosParameters::default(),
        flags::System::Lorenz if flags.to_tau.is_none() => {
            ChaosParameters { rho: Some(flags.to_rho.unwrap_or(45.0)), ..Default::default() }
        }
        flags::System::MackeyGlass if flags.to_rho.is_none() => {
            ChaosParameters { tau: Some(flags.to_tau.unwrap_or(30.0)), ..Default::default() }
        }
        _ => return Err(Failure::usage("--to-rho belongs to lorenz and --to-tau to mackey-glass")),
    };
    let config = ChaosConfig {
        system: match flags.system {
            flags::System::Lorenz => System::Lorenz,
            flags::System::MackeyGlass => System::MackeyGlass,
        },
        dt: flags.dt,
        // Row r, counted from 1, is the target of step r − 2, counted from 0. `shift_at` is the first step whose
        // target obeys the new law.
        shift_at: flags.shift_at.map(|row| row - 2),
        shifted,
        ..Default::default()
    };
    Ok(ChaosTask::new(&config, 1, flags.seed)?)
}
