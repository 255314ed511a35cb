//! The equations and their integrator: explicit Runge–Kutta of order four with a fixed step.

use rtrl_checkpoint::{Archive, ArchiveError, Persist};

/// The parameters of one of the systems; those of the other system are 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Law {
    pub sigma: f64,
    pub rho: f64,
    pub beta: f64,
    pub gamma: f64,
    pub tau: f64,
}

/// One step of length `h` from `x`: the classical Runge–Kutta scheme, whose error over a fixed time is O(h⁴).
///
/// `slope(halves, x)` is the derivative of x after `halves` half steps: 0, 1 or 2.
fn rk4<const N: usize>(x: [f64; N], h: f64, slope: impl Fn(usize, [f64; N]) -> [f64; N]) -> [f64; N] {
    let moved = |by: f64, k: [f64; N]| std::array::from_fn(|i| x[i] + by * k[i]);
    let k1 = slope(0, x);
    let k2 = slope(1, moved(h / 2.0, k1));
    let k3 = slope(1, moved(h / 2.0, k2));
    let k4 = slope(2, moved(h, k3));
    std::array::from_fn(|i| x[i] + h / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i]))
}

/// x′ = σ (y − x), y′ = x (ρ − z) − y, z′ = x y − β z.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lorenz(pub [f64; 3]);

impl Lorenz {
    pub fn step(&mut self, law: &Law, h: f64) {
        let &Law { sigma, rho, beta, .. } = law;
        self.0 = rk4(self.0, h, |_, [x, y, z]| [sigma * (y - x), x * (rho - z) - y, x * y - beta * z]);
    }
}

impl Persist for Lorenz {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("state", &mut self.0)?;
        // Far outside the attractor for all allowed parameters.
        let inside = self.0.iter().all(|x| x.abs() < 1e4);
        archive.check("state", inside, || format!("{:?} is far from any attractor", self.0))
    }
}

/// x′ = β x(t − τ) / (1 + x(t − τ)¹⁰) − γ x.
///
/// Between two stored steps of the past, x is the cubic with the values and slopes at both (Hermite), which keeps
/// the order of the integrator. The slope jumps where the parameters change, so each step has two slopes: `before`,
/// on its left, and `after`, on its right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MackeyGlass {
    /// x at each step of the past, as a ring buffer; `before` and `after` are its slopes there.
    values: Vec<f64>,
    before: Vec<f64>,
    after: Vec<f64>,
    /// Index of the present in the ring.
    newest: usize,
}

impl MackeyGlass {
    /// A past that has always been `x`, long enough for delays up to `longest` at steps of length `h`.
    pub fn new(x: f64, longest: f64, h: f64) -> Self {
        let len = (longest / h).ceil() as usize + 2;
        Self { values: vec![x; len], before: vec![0.0; len], after: vec![0.0; len], newest: 0 }
    }

    /// Points outside of the ring.
    #[cfg(test)]
    pub fn misplace(&mut self) {
        self.newest = self.values.len();
    }

    pub fn value(&self) -> f64 {
        self.values[self.newest]
    }

    /// x at `at` steps from now. `at` is at most 0, and not before the oldest stored step.
    fn past(&self, at: f64, h: f64) -> f64 {
        // The last interval ends at the present, so `at` = 0 belongs to the interval that begins at -1.
        let first = at.floor().min(-1.0);
        let (s, len) = (at - first, self.values.len());
        let i = (self.newest + len - (-first) as usize) % len;
        let j = (i + 1) % len;
        let (from, to) = (self.values[i], self.values[j]);
        let (leaving, arriving) = (h * self.after[i], h * self.before[j]);
        let rise = to - from;
        from + s
            * (leaving + s * (3.0 * rise - 2.0 * leaving - arriving + s * (leaving + arriving - 2.0 * rise)))
    }

    pub fn step(&mut self, law: &Law, h: f64) {
        let &Law { beta, gamma, tau, .. } = law;
        let growth = [0.0, 0.5, 1.0].map(|passed| {
            let delayed = self.past(passed - tau / h, h);
            // Products only: `powf` differs between platforms, and chaos amplifies the difference.
            let square = delayed * delayed;
            let fourth = square * square;
            beta * delayed / (1.0 + fourth * fourth * square)
        });
        let slope = |halves: usize, [x]: [f64; 1]| [growth[halves] - gamma * x];
        let x = [self.value()];
        [self.after[self.newest]] = slope(0, x);
        let x = rk4(x, h, slope);
        self.newest = (self.newest + 1) % self.values.len();
        [self.values[self.newest]] = x;
        [self.before[self.newest]] = slope(2, x);
    }
}

impl Persist for MackeyGlass {
    fn persist(&mut self, archive: &mut Archive<'_>) -> Result<(), ArchiveError> {
        archive.slice("values", &mut self.values)?;
        archive.slice("before", &mut self.before)?;
        archive.slice("after", &mut self.after)?;
        archive.value("newest", &mut self.newest)?;
        let (newest, len) = (self.newest, self.values.len());
        archive.check("newest", newest < len, || format!("{newest} of a past of {len} steps"))?;
        for (name, numbers) in [("values", &self.values), ("before", &self.before), ("after", &self.after)] {
            let inside = numbers.iter().all(|x| x.abs() < 1e4);
            archive.check(name, inside, || "a number that is far from any attractor".to_string())?;
        }
        Ok(())
    }
}
