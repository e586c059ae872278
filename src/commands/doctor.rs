//! `pgstow doctor`: whether a backup, and a restore, will find what they need.

use crate::answers::doctor::Diagnosis;
use crate::answers::theft::Loot;
use crate::cli::DoctorWords;
use crate::doctor::{DoctorRequest, examine, rob};
use crate::error::Result;
use crate::report::Report;
use crate::run::Run;
use crate::settings::{self, Remarks};

pub async fn run(words: DoctorWords, remarks: &Remarks, report: &Report, run: &Run) -> Result<()> {
    if words.thief {
        remarks.say();
        let (location, name) = settings::thief(&words)?;
        return report.answer(&Loot::new(rob(&location, name.as_ref(), run).await?));
    }
    // What reading the settings warns of is a finding like any other.
    run.take_warnings();
    remarks.say();
    let about_settings = run.take_warnings();
    let request = settings::doctor(words, remarks)?;
    let about_secrets = run.take_warnings();
    let examination = examine(DoctorRequest { about_settings, about_secrets, ..request }, run).await?;
    let diagnosis = Diagnosis::new(&examination);
    report.answer(&if report.is_quiet() { diagnosis.without_the_rest() } else { diagnosis })?;
    examination.conclude()
}
