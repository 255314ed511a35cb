//! An experiment: a configuration file of what is run, the claims that it decides, and a function that makes a section of the
//! report of it.

use std::path::Path;

use rtrl_report::Section;
use rtrl_sweep::{Settings, Statement, Study};

use crate::measured::{Item, Measure};

/// One experiment of the catalogue.
pub struct Experiment {
    /// Its name on the command line, and that of its configuration file in `crates/reproduce/experiments`.
    pub name: &'static str,
    /// What it decides. Its section makes each a [`Claim`](rtrl_report::Claim) by [`Statement::decided`].
    pub claims: &'static [Statement],
    /// Where its numbers come from.
    pub kind: Kind,
}

/// Where the numbers of an experiment come from.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Training runs.
    Runs {
        /// Makes the section of the report.
        section: fn(&Study) -> Section,
    },
    /// Measurements of nets without training runs.
    Measured {
        /// Everything to measure, from the table `measure` of a profile.
        items: fn(&'static str, &toml::Table) -> Result<Vec<Item>, String>,
        /// Measures one.
        measure: Measure,
        /// Whether times are measured, so that nothing else should run beside it.
        timed: bool,
        /// Makes the section of the report, from what is stored in the output folder.
        section: fn(&[Item], &Path) -> Result<Section, String>,
    },
}

impl Experiment {
    /// The configuration file, which is read when it is needed, so that a change of it needs no compiler.
    ///
    /// # Errors
    /// If the file cannot be read or has a mistake; a test parses every one.
    pub fn settings(&self) -> Result<Settings, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let path = folder.join(self.name).with_extension("toml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Settings::read(&text, &path.display().to_string())
    }
}
