//! Flags and their variables.

use clap::Arg;
use std::ffi::OsStr;

/// What all flags have in common: a variable set to "1" or "" means what people expect; the long help names the
/// variable, and never shows its value, because help ends up in tickets and logs.
pub(super) fn sane(arg: Arg) -> Arg {
    let arg = match arg.get_action() {
        clap::ArgAction::SetTrue => arg.value_parser(clap::builder::FalseyValueParser::new()),
        _ => arg,
    };
    let text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    match arg.get_env().and_then(OsStr::to_str) {
        Some(variable) => {
            let text = format!("{text}\n\nVariable: {variable}");
            arg.hide_env(true).long_help(text)
        }
        None => arg,
    }
}
