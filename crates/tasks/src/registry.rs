//! Every task, in one line each.

/// Calls `$then` with all tasks. Each line has the documentation, the module, the variant of
/// [`TaskConfig`](crate::TaskConfig), the configuration, and the other public items of the module.
///
/// A new task is a file and a line here; everything else is derived from it.
#[macro_export]
macro_rules! for_each_task {
    ($then:ident) => {
        $then! {
            /// `kind = "copy"`: the copy task.
            copy: Copy(CopyConfig), CopyTask;
            /// `kind = "char-lm"`: byte-level language modeling.
            char_lm: CharLm(CharLmConfig), CharLm, CharLmEvaluation, CharLmStream;
            /// `kind = "adding"`: the adding problem.
            adding: Adding(AddingConfig), AddingTask;
            /// `kind = "recall"`: delayed recall with distractors.
            recall: Recall(RecallConfig), RecallTask;
            /// `kind = "counting"`: aⁿbⁿ and balanced brackets.
            counting: Counting(CountingConfig), CountingTask;
            /// `kind = "chaos"`: continual prediction of a chaotic system.
            chaos: Chaos(ChaosConfig), ChaosParameters, ChaosTask;
            /// `kind = "table"`: a table of one's own.
            table: Table(TableConfig), TableColumn, TableError, TableFault, TableFit, TableRows, TableTask;
        }
    };
}
