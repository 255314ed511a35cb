//! Forward-mode differentiation by dual numbers: exact derivatives that share nothing with the crates under test.

use std::ops::{Add, Mul, Neg, Sub};

/// A value and its derivatives by every variable.
#[derive(Debug, Clone)]
pub struct Dual {
    pub value: f64,
    pub by: Vec<f64>,
}

impl Dual {
    pub fn constant(value: f64, variables: usize) -> Self {
        Self { value, by: vec![0.0; variables] }
    }

    pub fn variable(value: f64, index: usize, variables: usize) -> Self {
        let mut dual = Self::constant(value, variables);
        dual.by[index] = 1.0;
        dual
    }

    fn map(&self, value: f64, slope: f64) -> Self {
        Self { value, by: self.by.iter().map(|d| slope * d).collect() }
    }

    pub fn tanh(&self) -> Self {
        let y = self.value.tanh();
        self.map(y, 1.0 - y * y)
    }

    /// Written as 1 / (1 + e^-x), unlike the crates.
    pub fn sigmoid(&self) -> Self {
        let y = 1.0 / (1.0 + (-self.value).exp());
        self.map(y, y * (1.0 - y))
    }

    pub fn exp(&self) -> Self {
        let y = self.value.exp();
        self.map(y, y)
    }

    pub fn sin(&self) -> Self {
        self.map(self.value.sin(), self.value.cos())
    }

    pub fn cos(&self) -> Self {
        self.map(self.value.cos(), -self.value.sin())
    }

    pub fn sqrt(&self) -> Self {
        let y = self.value.sqrt();
        self.map(y, 0.5 / y)
    }

    pub fn relu(&self) -> Self {
        if self.value > 0.0 { self.clone() } else { self.map(0.0, 0.0) }
    }
}

fn zip(a: &Dual, b: &Dual, value: f64, f: impl Fn(f64, f64) -> f64) -> Dual {
    Dual { value, by: a.by.iter().zip(&b.by).map(|(&a, &b)| f(a, b)).collect() }
}

impl Add for &Dual {
    type Output = Dual;
    fn add(self, other: &Dual) -> Dual {
        zip(self, other, self.value + other.value, |a, b| a + b)
    }
}

impl Sub for &Dual {
    type Output = Dual;
    fn sub(self, other: &Dual) -> Dual {
        zip(self, other, self.value - other.value, |a, b| a - b)
    }
}

impl Mul for &Dual {
    type Output = Dual;
    #[allow(clippy::suspicious_arithmetic_impl)] // The product rule.
    fn mul(self, other: &Dual) -> Dual {
        zip(self, other, self.value * other.value, |a, b| a * other.value + self.value * b)
    }
}

impl Neg for &Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        self.map(-self.value, -1.0)
    }
}
