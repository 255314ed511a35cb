//! Which instructions the kernels use: chosen once, at run time.

use std::cell::Cell;
use std::sync::OnceLock;

/// A set of instructions that kernels can be run with. The numbers differ between levels by rounding alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// What the target of the compilation guarantees.
    Baseline,
    /// AVX2 with fused multiply-adds.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL).
    Avx512,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

thread_local! {
    static FORCED: Cell<Option<Level>> = const { Cell::new(None) };
}

impl Level {
    /// The levels of this processor, the slowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Baseline, Self::Avx2, Self::Avx512].into_iter().filter(|level| *level <= Self::best())
    }

    /// The level in use on this thread.
    #[inline]
    pub fn current() -> Self {
        FORCED.get().unwrap_or_else(Self::best)
    }

    /// Runs `f` with this thread's kernels at this level.
    ///
    /// # Panics
    /// If the processor does not have it.
    pub fn force<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Level>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FORCED.set(self.0);
            }
        }
        assert!(self <= Self::best(), "this processor does not have {self:?}");
        let _restore = Restore(FORCED.replace(Some(self)));
        f()
    }

    #[inline]
    fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(Self::detect)
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512) {
            (true, true) => Self::Avx512,
            (true, false) => Self::Avx2,
            (false, _) => Self::Baseline,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Self {
        Self::Baseline
    }
}
