//! `pgstow receipts verify`: whether a receipt is what it says.

use crate::answers::receipts::ReceiptFacts;
use crate::cli::ReceiptsWords;
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings;
use crate::verify::check_receipt;

pub async fn run(words: ReceiptsWords, report: &Report, run: &Run) -> Result<()> {
    let checked = check_receipt(&settings::receipts_check(&words)?, run).await?;
    report.answer(&ReceiptFacts::new(&checked))
}
