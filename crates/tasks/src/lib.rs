//! Streams of symbols and numbers to learn from.
//!
//! | `kind` | reads | predicts | asks for |
//! |---|---|---|---|
//! | [`copy`] | 4 or 5 symbols | 4 or 2 symbols | memory that grows with a curriculum |
//! | [`adding`] | 2 values | 1 value | two numbers kept until the end |
//! | [`recall`] | k + d + 1 symbols | k symbols | one symbol kept over distractors |
//! | [`counting`] | 3 or 5 symbols | 3 or 5 symbols | a counter, or a stack |
//! | [`char-lm`](char_lm) | 256 symbols | 256 symbols | a text, in crops or as one stream |
//! | [`chaos`] | 3 or 1 values | 3 or 1 values | a world that may change, and never begins anew |
//!
//! A [`Task`] hands out one [`Step`] after the other: in every lane of a minibatch what to read, what to predict if
//! anything is asked, and whether a new sequence starts. It knows nothing of nets, and everything random in it is
//! seeded, lane by lane. [`TaskConfig`] is any task as a configuration file names it:
//!
//! ```
//! use rtrl_tasks::{BuildTask, CopyConfig, Step, Task, TaskConfig};
//!
//! let config = TaskConfig::Copy(CopyConfig { level: 2, spread: 0, ..CopyConfig::default() });
//! let mut task = config.build(1, 7)?;
//! let (mut inputs, mut targets, mut step) = (vec![], vec![], Step::new(&*task, 1));
//! for _ in 0..6 {
//!     task.next(&mut step)?;
//!     inputs.push(step.input[0]);
//!     targets.push(step.target[0].expect("every position has a target"));
//!     task.report(&[2.0]); // bits; the curriculum listens
//! }
//! // Start, two bits, three blanks; what is asked is the same, three steps later.
//! assert_eq!((inputs[0], &inputs[3..]), (2, &[3, 3, 3][..]));
//! assert_eq!((&targets[..3], &targets[3..]), (&[3, 3, 3][..], &inputs[..3]));
//! # Ok::<(), rtrl_tasks::TaskError>(())
//! ```
//!
//! Texts are [`Corpus`]es: files of any size, or a text of our own from [`grammar`] when there is no file.
//!
//! A new task is a file with a configuration that implements [`BuildTask`], and one line in `registry.rs`.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();

mod build;
mod config;
mod corpus;
mod error;
pub mod grammar;
mod registry;
mod streams;
mod task;

/// The module of each task, and what it exports.
macro_rules! modules {
    ($($(#[$doc:meta])* $module:ident: $name:ident($config:ident) $(, $more:ident)*;)*) => {
        $(
            pub mod $module;
            pub use $module::{$config $(, $more)*};
        )*
    };
}
for_each_task!(modules);

pub use build::{BuildTask, Evaluation, Part};
pub use config::TaskConfig;
pub use corpus::Corpus;
pub use error::{Origin, TaskError};
pub use task::{Signal, Step, Task};
