//! Schedule 3 with J: a window's gradient by the adjoints of the blocks, and J at its end at once.

use std::sync::Arc;

use super::single::Single;
use super::window::Window;
use crate::lanes::{Lanes, LanesMut};
use crate::recursion::carry::{Carry, Largest};
use crate::recursion::step::check_window;
use crate::recursion::threads::Threads;
use crate::recursion::{Blocks, StepValues};
use crate::run::{Computation, Scalar};

/// J of [`Blocks`], carried over whole windows, with the memory for it: nothing is allocated after construction.
#[derive(Debug, Clone)]
pub struct Carrying<T> {
    blocks: Arc<Blocks>,
    lanes: usize,
    steps: usize,
    influence: Vec<T>,
    threads: Threads<T, Memory<T>>,
    bytes: usize,
}

/// The scratch memory of one thread.
#[derive(Debug, Clone)]
struct Memory<T> {
    window: Window<T>,
    carried: Carried<T>,
}

/// Scratch memory for `carry` where every block has one state, or for any blocks.
#[derive(Debug, Clone)]
enum Carried<T> {
    Single(Single<T>),
    Largest(Largest<T>),
}

impl<T: Scalar> Memory<T> {
    fn new(blocks: &Blocks, lanes: usize, steps: usize) -> Self {
        let carried = if blocks.single {
            Carried::Single(Single::new(blocks, steps))
        } else {
            Carried::Largest(Largest::new(blocks, steps))
        };
        Self { window: Window::new(blocks, lanes, steps), carried }
    }

    fn bytes(&self) -> usize {
        let carried = match &self.carried {
            Carried::Single(memory) => memory.bytes(),
            Carried::Largest(memory) => memory.bytes(),
        };
        self.window.bytes() + carried
    }
}

impl<T: Scalar> Carrying<T> {
    /// A J of zeros in `lanes` lanes, for windows of up to `steps` steps.
    ///
    /// # Panics
    /// If there are no lanes.
    #[track_caller]
    pub fn new(blocks: impl Into<Arc<Blocks>>, lanes: usize, steps: usize) -> Self {
        assert!(lanes > 0, "lanes must be at least 1");
        let blocks = blocks.into();
        let memory = |blocks: &Blocks| Memory::new(blocks, lanes, steps);
        Self {
            bytes: memory(&blocks).bytes(),
            threads: Threads::new(&blocks, lanes, blocks.carry_macs(steps), 2, memory),
            influence: vec![T::ZERO; blocks.len() * lanes],
            blocks,
            lanes,
            steps,
        }
    }

    /// Adds the gradient of a window of `steps` steps to `gradient`: that of
    /// [`Windowed::gradient`](crate::Windowed::gradient), and the contribution `(D_1[R, R]ᵀ a_1)ᵀ J` of J before
    /// the window. `values(τ)` returns step τ of `0..steps`. J does not change.
    ///
    /// # Panics
    /// If there are too many steps, or if sizes or lanes do not fit.
    #[track_caller]
    pub fn gradient<'a>(
        &mut self,
        steps: usize,
        values: impl Fn(usize) -> StepValues<'a, T> + Sync,
        gradient: &mut [T],
    ) {
        self.check(steps, &values, Some(gradient.len()));
        let Self { blocks, lanes, influence, threads, .. } = self;
        let before = &influence[..];
        threads.each(blocks, *lanes, &mut [], gradient, |blocks, _, gradient, memory| {
            let own = &before[blocks.origin * *lanes..][..blocks.len() * *lanes];
            memory.window.gradient(blocks, Some(own), steps, &values, gradient);
        });
    }

    /// Moves J to the end of a window of `steps` steps at once: `J_T = Φ(0→T) J_0 + Σ_τ Φ(τ→T) G_τ ⊗ u_τ` with
    /// `Φ(τ→T) = D_T … D_{τ+1}`, restricted to each block. `values(τ)` returns step τ of `0..steps`. Subnormal
    /// entries of J become zero. To be called after [`gradient`](Self::gradient), which needs J before the window.
    ///
    /// # Panics
    /// If there are too many steps, or if sizes or lanes do not fit.
    #[track_caller]
    pub fn carry<'a>(&mut self, steps: usize, values: impl Fn(usize) -> StepValues<'a, T> + Sync) {
        self.check(steps, &values, None);
        if steps == 0 {
            return;
        }
        let Self { blocks, lanes, influence, threads, .. } = self;
        let lanes = *lanes;
        threads.each_without_gradient(blocks, lanes, influence, |blocks, influence, memory| {
            match &mut memory.carried {
                Carried::Single(memory) => memory.carry(blocks, influence, steps, lanes, &values),
                Carried::Largest(memory) => {
                    let values = &|step| values(step);
                    let kernel = Carry { blocks, influence, steps, lanes, values, memory };
                    // The kernel takes one lane at a time, with vectors along states and columns: hence 1, not
                    // `lanes`.
                    T::run(1, Computation::Carry(kernel));
                }
            }
        });
    }

    #[track_caller]
    fn check<'a>(&self, steps: usize, values: impl Fn(usize) -> StepValues<'a, T>, gradient: Option<usize>) {
        assert!(steps <= self.steps, "a window of {steps} steps in memory for {}", self.steps);
        check_window(&self.blocks, self.lanes, steps, values, gradient);
    }

    /// The layout of J.
    pub fn blocks(&self) -> &Arc<Blocks> {
        &self.blocks
    }

    /// J: one entry for each of [`Blocks::entries`], in that order.
    pub fn influence(&self) -> Lanes<'_, T> {
        Lanes::new(&self.influence, self.lanes)
    }

    /// J, to be overwritten.
    pub fn influence_mut(&mut self) -> LanesMut<'_, T> {
        LanesMut::new(&mut self.influence, self.lanes)
    }

    /// Bytes of J and of the scratch memory of one thread, without the layout.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.influence[..]) + self.bytes
    }
}
