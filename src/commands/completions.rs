//! `pgstow completions`: a script by which a shell completes words.

use crate::answers::script::Script;
use crate::cli::{CompletionsWords, command, completions};
use crate::error::Result;
use crate::report::Report;

pub fn run(words: &CompletionsWords, report: &Report) -> Result<()> {
    report.script(&Script(completions(command(), words.shell)))
}
