//! By what each word is given: the command line, a variable, or the settings file.

use super::monitoring;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeSet;
use std::ffi::OsStr;

/// The variables of these arguments that are blank.
pub(super) fn empty<'a>(
    args: impl Iterator<Item = &'a Arg>,
    blank: &dyn Fn(&OsStr) -> bool,
) -> BTreeSet<String> {
    let variables = args.filter_map(Arg::get_env).filter(|name| blank(name));
    variables.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The arguments of the verb that was typed, and those of every verb.
pub(super) fn args_of_verb<'a>(command: &'a Command, matches: &ArgMatches) -> impl Iterator<Item = &'a Arg> {
    let verb = matches.subcommand_name().and_then(|verb| command.find_subcommand(verb));
    verb.into_iter().chain([command]).flat_map(Command::get_arguments)
}

/// Whether one of these gives it. A flag that a variable says no to is not given: what needs it, or contradicts it, has no
/// say.
pub(super) fn is_given(arg: &Arg, matches: &ArgMatches, by: &[ValueSource]) -> bool {
    let of_verb = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let id = arg.get_id().as_str();
    let source = of_verb.try_contains_id(id).is_ok().then(|| of_verb.value_source(id)).flatten();
    let is_off = || matches!(arg.get_action(), ArgAction::SetTrue) && !of_verb.get_flag(id);
    source.is_some_and(|source| by.contains(&source) && !is_off())
}

/// A flag that is typed with a blank value, as `--owner "$OWNER"` is if the variable is not set. An alarm that cannot be
/// sent does not keep a backup from being made.
pub(super) fn typed_empty(command: &Command, matches: &ArgMatches) -> Option<String> {
    let of_verb = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let is_blank = |value: &OsStr| value.to_str().is_some_and(|value| value.trim().is_empty());
    let is_empty = |arg: &&Arg| {
        let is_typed = is_given(arg, matches, &[ValueSource::CommandLine]);
        let values = is_typed.then(|| of_verb.get_raw(arg.get_id().as_str())).flatten();
        values.is_some_and(|mut values| values.any(is_blank))
    };
    let mut flags = args_of_verb(command, matches).filter(|arg| arg.get_long().is_some());
    let flag = flags.find(|arg| arg.get_help_heading() != Some(monitoring::HEADING) && is_empty(arg))?;
    Some(format!("--{}", flag.get_long()?))
}

/// Every value in effect, as it was written.
pub(super) fn values(matches: &ArgMatches) -> Vec<String> {
    let of_verb = matches.subcommand().map(|(_, matches)| matches);
    let raw = |matches: &ArgMatches| {
        let of_one = |id: &clap::Id| matches.try_get_raw(id.as_str()).ok().flatten().into_iter().flatten();
        matches
            .ids()
            .flat_map(of_one)
            .filter_map(|value| value.to_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    of_verb.map(raw).unwrap_or_default()
}
