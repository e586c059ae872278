//! `pgstow config check`: which settings are in effect, and where each comes from.

use crate::answers::config::{Effective, Row};
use crate::cli::{CommonWords, ConfigAction, ConfigWords};
use crate::error::Result;
use crate::report::Report;
use crate::settings::{Config, Setting, Source};

pub fn run(words: &ConfigWords, common: &CommonWords, report: &Report) -> Result<()> {
    let ConfigAction::Check = words.action;
    let config = Config::read(common, words.all)?;
    let from = |source: &Source| match source {
        Source::Variable(name) => name.clone(),
        Source::File => "file".to_owned(),
        Source::Default => "default".to_owned(),
    };
    let row = |setting: &Setting| Row {
        key: setting.key.clone(),
        values: setting.values.clone(),
        from: from(&setting.source),
    };
    report.answer(&Effective {
        file: config.file.clone(),
        profile: config.profile.clone(),
        settings: config.settings.iter().map(row).collect(),
        secrets: config.secrets.clone(),
    })?;
    config.conclude()
}
