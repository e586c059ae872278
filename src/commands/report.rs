//! `pgstow report`: a store at a glance, as a page of HTML.

use crate::answers::overview::StoreOverview;
use crate::cli::ReportWords;
use crate::error::{Error, Result};
use crate::overview::{look, page};
use crate::report::Report;
use crate::run::Run;
use crate::settings::StoreReport;
use tokio::io::AsyncWriteExt;

pub async fn run(words: ReportWords, report: &Report, run: &Run) -> Result<()> {
    let StoreReport { overview, output, force } = StoreReport::read(words, report.is_json())?;
    if let Some(output) = &output {
        output.free_to_write(force)?;
    }
    let overview = look(overview, run).await?;
    if let Some(output) = output {
        let writing = output.begin(force)?;
        let mut sink = writing.sink()?;
        let unwritable = |e| Error::local_file(format!("{} cannot be written", output.name())).because(e);
        sink.write_all(page(&overview).as_bytes()).await.map_err(unwritable)?;
        sink.flush().await.map_err(unwritable)?;
        writing.keep_mode()?;
        writing.commit().await?;
        run.say(format!("wrote {}", output.name()));
    }
    report.done(&StoreOverview(overview))
}
