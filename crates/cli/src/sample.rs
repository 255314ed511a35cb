//! `rtrl sample`: text from a character model.

use std::io::{BufWriter, ErrorKind, IsTerminal, Write};

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rtrl_cells::Input;
use rtrl_tasks::Signal;
use rtrl_tasks::char_lm::BYTES;
use rtrl_train::Predictor;

use crate::flags::Sample;
use crate::{Failure, nets};

/// Writes the prompt, and then the text with which the model continues it, to standard output.
///
/// # Errors
/// If the model is not a character model, the temperature is negative or not finite, the prompt is empty, or the
/// output cannot be written.
pub fn run(flags: &Sample) -> Result<(), Failure> {
    let model = nets::load(&flags.model)?;
    if model.signals() != (Signal::Symbols(BYTES), Signal::Symbols(BYTES)) {
        let (inputs, targets) = model.signals();
        return Err(Failure::usage(format!(
            "{} reads {inputs:?} and predicts {targets:?}: give a model of the task char-lm",
            flags.model.display()
        )));
    }
    let temperature = flags.temperature;
    if !(temperature >= 0.0 && temperature.is_finite()) {
        return Err(Failure::usage(format!("--temperature must be 0 or more, found {temperature}")));
    }
    let prompt = match &flags.prompt_file {
        None => flags.prompt.clone().into_bytes(),
        Some(path) => std::fs::read(path).map_err(Failure::file("read", path))?,
    };
    if prompt.is_empty() {
        return Err(Failure::usage("the prompt needs at least one character"));
    }
    let mut predictor = Predictor::new(&model, 1);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(flags.seed);
    let mut next = |byte: u8, start: bool| {
        let input = Input::Symbols(&[u32::from(byte)]);
        draw(predictor.predict(input, &[start]).values(), temperature, rng.random())
    };
    let terminal = std::io::stdout().is_terminal();
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut write = || -> std::io::Result<()> {
        output.write_all(&prompt)?;
        let mut byte = 0;
        for (i, &read) in prompt.iter().enumerate() {
            byte = next(read, i == 0);
        }
        for _ in 0..flags.length {
            output.write_all(&[byte])?;
            byte = next(byte, false);
        }
        // This line end is not part of the text: it puts the shell's prompt on a line of its own.
        if terminal {
            output.write_all(b"\n")?;
        }
        output.flush()
    };
    match write() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the text: {error}")))
        }
        _ => Ok(()),
    }
}

/// Draws a byte from the distribution with these log probabilities, each divided by the temperature: the first
/// byte at which the cumulative probability exceeds `at`, which lies in 0..1. Temperature 0 gives the likeliest
/// byte.
fn draw(logs: &[f32], temperature: f64, at: f64) -> u8 {
    let greatest = logs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let likeliest = logs.iter().position(|&log| log == greatest).unwrap_or(0);
    if temperature == 0.0 {
        return likeliest as u8;
    }
    let weight = |log: f32| (f64::from(log - greatest) / temperature).exp();
    let mut left = at * logs.iter().map(|&log| weight(log)).sum::<f64>();
    for (byte, &log) in logs.iter().enumerate() {
        left -= weight(log);
        if left < 0.0 {
            return byte as u8;
        }
    }
    // Only the rounding of the sum leads here.
    likeliest as u8
}

#[cfg(test)]
mod tests {
    use super::draw;

    #[test]
    fn draws_follow_the_probabilities() {
        let logs = [0.25_f32, 0.5, 0.25].map(f32::ln);
        // Each draw lies in the middle of one of a thousand equal parts, so rounding moves none across a border.
        let counts = |temperature| {
            let mut counts = [0; 3];
            (0..1000).for_each(|i| {
                counts[usize::from(draw(&logs, temperature, (f64::from(i) + 0.5) / 1000.0))] += 1;
            });
            counts
        };
        assert_eq!(counts(1.0), [250, 500, 250]);
        assert_eq!(counts(0.0), [0, 1000, 0]);
        // Squares of the probabilities: 1 to 4 to 1, so borders at 1/6 and 5/6.
        assert_eq!(counts(0.5), [167, 666, 167]);
    }
}
