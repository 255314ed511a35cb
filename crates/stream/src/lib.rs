//! Forecasts of series of numbers, by nets that learn from each row as it comes.
//!
//! A [`Forecaster`] is given one row after the other. For each it scores what it predicted, learns, and predicts later rows,
//! one or several of them. What it learns from is never later than what it has been given: a prediction `h` rows
//! ahead is learned when its target arrives, `h` rows later.
//!
//! ```
//! use rtrl_stream::{Columns, Forecaster, ForecasterConfig};
//!
//! let mut config = ForecasterConfig::default();
//! config.stream.horizons = vec![1, 5];
//! let mut forecaster = Forecaster::new(&config, &Columns::all(["level"])?)?;
//! for t in 0..3000 {
//!     let level = 20.0 + (0.3 * f64::from(t)).sin();
//!     let report = forecaster.step(&[Some(level)])?;
//!     let [one_ahead, five_ahead] = [0, 1].map(|horizon| report.targets[0].forecasts[horizon].next[0]);
//!     assert!(one_ahead.is_finite() && five_ahead.is_finite());
//! }
//! // Squared errors of the net and of the last value, five rows ahead, in units of the variance.
//! let [model, last, ..] = forecaster.report().scores[1];
//! assert!(model < 0.1 * last);
//! # Ok::<(), rtrl_train::TrainError>(())
//! ```

mod calendar;
mod classes;
mod columns;
mod config;
mod detector;
mod forecaster;
mod inputs;
mod interval;
mod keyed;
mod linear;
mod net;
mod numbers;
mod recent;
mod report;
mod ring;
mod scaler;
mod series;
mod trial;

pub use calendar::{CALENDAR, calendar};
pub use columns::Columns;
pub use config::{ForecasterConfig, ForecasterTraining, GREATEST_ROWS, SeriesConfig};
pub use forecaster::{Forecaster, difference};
pub use keyed::{KeyedForecaster, Share};
pub use linear::GREATEST_INPUTS;
pub use report::{
    CLASS_PREDICTORS, ClassForecast, ClassReport, Counts, Forecast, PREDICTORS, Report, TargetReport,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
const _: () = ();
