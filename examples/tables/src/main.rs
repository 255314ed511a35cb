//! Sequences with a class that is seen at their end alone, as CSV on standard output: `cargo run -p tables > pulses.csv`.
//!
//! Each sequence has two pulses of height +1 or -1 among noise, the first in its first third and the second in its second third. It
//! is `same` if both have one sign, else `different`. A net has to remember the first pulse until the second, and the
//! answer until the end.

use std::io::{BufWriter, Write};

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const SEQUENCES: u32 = 2000;

fn main() -> std::io::Result<()> {
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    writeln!(output, "sequence,x,class")?;
    for sequence in 0..SEQUENCES {
        let len = 18 + below(&mut rng, 13);
        let places = [below(&mut rng, len / 3), len / 3 + below(&mut rng, len / 3)];
        let signs = [below(&mut rng, 2), below(&mut rng, 2)];
        let class = if signs[0] == signs[1] { "same" } else { "different" };
        for t in 0..len {
            let pulse = (0..2).find(|&i| places[i] == t).map_or(0.0, |i| 2.0 * f64::from(signs[i]) - 1.0);
            let noise = f64::from(below(&mut rng, 2001)) / 10_000.0 - 0.1;
            writeln!(output, "{sequence},{:.4},{class}", pulse + noise)?;
        }
    }
    output.flush()
}

/// A number from `0..n`.
fn below(rng: &mut Xoshiro256PlusPlus, n: u32) -> u32 {
    ((u64::from(n) * (rng.next_u64() >> 32)) >> 32) as u32
}
