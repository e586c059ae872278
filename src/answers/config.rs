//! What `config check` answers.

use super::Answer;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::path::PathBuf;

/// The settings in effect.
#[derive(Debug, Serialize)]
pub struct Effective {
    /// The settings file in use.
    pub file: Option<PathBuf>,
    /// The profile in it.
    pub profile: Option<String>,
    /// The settings, by key.
    pub settings: Vec<Row>,
    /// Variables with secrets that are set.
    pub secrets: Vec<&'static str>,
}

/// One setting.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its key in the settings file.
    pub key: String,
    /// Its values, without secrets.
    pub values: Vec<String>,
    /// The variable it comes from, `file` or `default`.
    pub from: String,
}

impl Answer for Effective {
    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["SETTING", "VALUE", "FROM"]);
        let file = self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        for Row { key, values, from } in &self.settings {
            let from = if from == "file" { &file } else { from };
            table.add_row([key, &values.join(", "), from]);
        }
        for name in &self.secrets {
            table.add_row(["", "***", name]);
        }
        table.to_string()
    }
}
