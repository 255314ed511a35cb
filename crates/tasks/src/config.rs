//! The configuration of any task.

use serde::{Deserialize, Serialize};

use crate::{BuildTask, Evaluation, Part, Task, TaskError, for_each_task};

macro_rules! configuration {
    ($($(#[$doc:meta])* $module:ident: $name:ident($config:ident) $(, $more:ident)*;)*) => {
        $(use crate::$config;)*

        /// The configuration of any task; in a file, `kind` says which one, in kebab case.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum TaskConfig {
            $($(#[$doc])* $name($config)),*
        }

        $(impl From<$config> for TaskConfig {
            fn from(config: $config) -> Self {
                Self::$name(config)
            }
        })*

        impl BuildTask for TaskConfig {
            fn resolved(&self) -> Result<Self, TaskError> {
                match self { $(Self::$name(config) => config.resolved().map(Self::$name)),* }
            }

            fn build(&self, lanes: usize, seed: u64) -> Result<Box<dyn Task>, TaskError> {
                match self { $(Self::$name(config) => config.build(lanes, seed)),* }
            }

            fn evaluation(
                &self,
                part: Part,
                lanes: usize,
                max_bytes: Option<u64>,
            ) -> Result<Option<Evaluation>, TaskError> {
                match self { $(Self::$name(config) => config.evaluation(part, lanes, max_bytes)),* }
            }

            fn fingerprint(&self) -> Result<Option<u64>, TaskError> {
                match self { $(Self::$name(config) => config.fingerprint()),* }
            }
        }
    };
}

for_each_task!(configuration);
