//! By what each word is given: the command line, a variable, or the settings file.

use super::monitoring;
use super::variables::key;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

/// A word that is in effect, and was not typed.
#[derive(Debug, Clone)]
pub struct Untyped {
    /// Its key in the settings file.
    pub key: String,
    /// Its flag, if it has one.
    pub flag: Option<String>,
    /// The variable that gives it; if there is none, the settings file does.
    pub variable: Option<String>,
    /// Its values.
    pub values: Vec<String>,
}

/// Who gives which words.
pub(super) struct Given<'a> {
    pub matches: &'a ArgMatches,
    pub defaults: &'a dyn Fn(&str) -> Vec<String>,
    pub variable: &'a dyn Fn(&OsStr) -> Option<OsString>,
}

impl Given<'_> {
    fn of_verb(&self) -> &ArgMatches {
        self.matches.subcommand().map_or(self.matches, |(_, matches)| matches)
    }

    fn source(&self, arg: &Arg) -> Option<ValueSource> {
        let (of_verb, id) = (self.of_verb(), arg.get_id().as_str());
        of_verb.try_contains_id(id).is_ok().then(|| of_verb.value_source(id)).flatten()
    }

    /// Whether it is a flag that is off.
    fn is_off(&self, arg: &Arg) -> bool {
        matches!(arg.get_action(), ArgAction::SetTrue) && !self.of_verb().get_flag(arg.get_id().as_str())
    }

    pub fn is_typed(&self, arg: &Arg) -> bool {
        self.source(arg) == Some(ValueSource::CommandLine)
    }

    /// Whether the variable of a word that is not typed counts.
    fn is_by_variable(&self, arg: &Arg) -> bool {
        let is_set = || arg.get_env().and_then(self.variable).is_some_and(|value| !value.is_empty());
        self.source(arg) == Some(ValueSource::DefaultValue) && is_set()
    }

    /// Whether it is typed, or a variable gives it. A flag that a variable says no to is not given: what needs it, or
    /// contradicts it, has no say.
    pub fn is_given(&self, arg: &Arg) -> bool {
        self.is_typed(arg) || (self.is_by_variable(arg) && !self.is_off(arg))
    }

    /// Whether a variable says no to it.
    pub fn is_denied(&self, arg: &Arg) -> bool {
        self.is_by_variable(arg) && self.is_off(arg)
    }

    /// What a variable or the settings file gives.
    pub fn untyped(&self, arg: &Arg) -> Option<Untyped> {
        let key = key(arg)?;
        let by_variable = self.is_by_variable(arg);
        let is_default = self.source(arg) == Some(ValueSource::DefaultValue);
        if self.is_denied(arg) || !by_variable && (!is_default || (self.defaults)(&key).is_empty()) {
            return None;
        }
        let raw = self.of_verb().get_raw(arg.get_id().as_str()).into_iter().flatten();
        let variable = arg.get_env().filter(|_| by_variable).and_then(OsStr::to_str);
        Some(Untyped {
            key,
            flag: arg.get_long().map(|flag| format!("--{flag}")),
            variable: variable.map(str::to_owned),
            values: raw.filter_map(|value| value.to_str().map(str::to_owned)).collect(),
        })
    }

    /// A flag that is typed with a blank value, as `--owner "$OWNER"` is if the variable is not set. An alarm that cannot
    /// be sent does not keep a backup from being made.
    pub fn typed_empty(&self, command: &Command) -> Option<String> {
        let is_blank = |value: &OsStr| value.to_str().is_some_and(|value| value.trim().is_empty());
        let is_empty = |arg: &&Arg| {
            let values = self.is_typed(arg).then(|| self.of_verb().get_raw(arg.get_id().as_str())).flatten();
            values.is_some_and(|mut values| values.any(is_blank))
        };
        let mut flags = args_of_verb(command, self.matches).filter(|arg| arg.get_long().is_some());
        let flag = flags.find(|arg| arg.get_help_heading() != Some(monitoring::HEADING) && is_empty(arg))?;
        Some(format!("--{}", flag.get_long()?))
    }
}

/// The variables of these arguments that are set, but to nothing.
pub(super) fn empty<'a>(
    args: impl Iterator<Item = &'a Arg>,
    variable: &dyn Fn(&OsStr) -> Option<OsString>,
) -> BTreeSet<String> {
    let is_blank = |name: &&OsStr| variable(name).is_some_and(|value| value.is_empty());
    args.filter_map(Arg::get_env).filter(is_blank).map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The arguments of the verb that was typed, and those of every verb.
pub(super) fn args_of_verb<'a>(command: &'a Command, matches: &ArgMatches) -> impl Iterator<Item = &'a Arg> {
    let verb = matches.subcommand_name().and_then(|verb| command.find_subcommand(verb));
    verb.into_iter().chain([command]).flat_map(Command::get_arguments)
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
