//! Sweeps: training runs of methods, values and seeds, and what is said of them.
//!
//! An experiment is a file ([`Settings`]): what all runs have in common, the methods that are compared, a setting that is
//! chosen for each method on seeds that the result does not use, and for each profile the number of seeds. [`make`] has the
//! runs made by an [`Engine`](engine::Engine) (threads of this process, Slurm or HyperQueue), each in a folder of its own: what
//! is finished is not made again, and what was interrupted goes on. A [`Study`] has the results by method and seed, and
//! [`paired`] is how two methods differ, seed by seed, with an interval; verdicts follow from it.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod collected;
mod conduct;
pub mod engine;
pub mod flags;
mod machine;
mod made;
mod place;
mod plan;
mod pool;
mod runs;
mod sections;
mod settings;
mod study;
mod verdict;

pub use collected::collected;
pub use conduct::{check, conduct, planned};
pub use machine::{elsewhere, elsewhere_of, environment, prepare, stop_on_interrupt};
pub use made::{Failure, Made, Missing, failures, interrupted, make};
pub use plan::table as plan;
pub use pool::each;
pub use runs::{BySeed, Done, Failed, in_order, mean_and_deviation, points};
pub use sections::{entries, section, tell_failures};
pub use settings::{Choice, Method, Planned, Request, Score, Settings, Sweep};
pub use study::Study;
pub use verdict::{Statement, over_seeds, paired, undecided};
