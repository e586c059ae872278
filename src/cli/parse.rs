//! Parsing: what was typed, with the values of variables and of the settings file where nothing was.

use super::given::{Given, args_of_verb, empty, values};
use super::variables::key;
use super::{Words, command, refused};
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, Command, FromArgMatches};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

/// The result of parsing the command line.
#[derive(Debug)]
pub enum Parsed {
    /// A command to run.
    Words(Box<Words>),
    /// Text to print on stdout, and exit code 0: help or version.
    Help(String),
    /// Words that are not understood: exit code 2.
    Refused(Refusal),
}

/// What is wrong with words that are not understood.
#[derive(Debug)]
pub struct Refusal {
    /// For stderr; it repeats what was typed.
    pub text: String,
    /// For those who hear of the run elsewhere: one line without any value.
    pub in_alarm: String,
}

/// Parses the command line. `defaults` returns the settings file's values for a key (see [`key`]); flags override them, and
/// so does the `variable` of a flag. One that is set to nothing counts as unset: that is how CI passes a secret that was not
/// set.
pub fn parse(
    args: Vec<OsString>,
    defaults: &dyn Fn(&str) -> Vec<String>,
    variable: &dyn Fn(&OsStr) -> Option<OsString>,
) -> Parsed {
    let (all, command) = (command(), with_values(defaults, variable));
    let parsed = command.clone().try_get_matches_from(&args).and_then(|matches| {
        let given = Given { matches: &matches, defaults, variable };
        let of_verb = || args_of_verb(&all, &matches);
        let keys =
            |is_it: &dyn Fn(&Arg) -> bool| of_verb().filter(|arg| is_it(arg)).filter_map(key).collect();
        Ok(Words {
            typed: keys(&|arg| given.is_typed(arg)),
            given: keys(&|arg| given.is_given(arg)),
            denied: keys(&|arg| given.is_denied(arg)),
            untyped: of_verb().filter_map(|arg| given.untyped(arg)).collect(),
            values: values(&matches),
            blank: empty(of_verb().filter(|arg| !given.is_given(arg)), variable),
            empty: given.typed_empty(&all),
            ..Words::from_arg_matches(&matches)?
        })
    });
    match parsed {
        // clap takes it for no command at all, and the database would be backed up instead.
        Ok(_) if args.iter().position(|word| word == "--").is_some_and(|at| at + 1 == args.len()) => {
            let what = "nothing follows --".to_owned();
            let hint = "an unset variable looks like that; leave -- out if no command is meant";
            Parsed::Refused(Refusal { text: format!("error: {what}\n  hint: {hint}\n"), in_alarm: what })
        }
        Ok(words) => Parsed::Words(Box::new(words)),
        // A page of help has the defaults of everybody, and nothing of what is set here, such as a password.
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Parsed::Help(page(all, &args))
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Parsed::Refused(Refusal { text: page(all, &args), in_alarm: refused::without_values(&error) })
        }
        Err(mut error) => {
            // "to pass '--tables' as a value, use '-- --tables'" does not help a person who mistyped a flag.
            error.remove(ContextKind::Suggested);
            refused::hide_passphrase(&mut error, &args);
            let (mut text, mut in_alarm) = (error.render().to_string(), refused::without_values(&error));
            if error.kind() == ErrorKind::MissingRequiredArgument {
                let args = all.get_subcommands().flat_map(Command::get_arguments);
                for name in empty(args.filter(|arg| arg.is_required_set()), variable) {
                    let why = format!("{name} is set, but empty, which is the same as unset");
                    text.push_str(&format!("\n{why}\n"));
                    in_alarm.push_str(&format!("; {why}"));
                }
            }
            if let Some(tip) = refused::tip(&text, &command) {
                text.push_str(&format!("\n  {tip}\n"));
            }
            Parsed::Refused(Refusal { text, in_alarm })
        }
    }
}

/// The page that is asked for by these words.
fn page(command: Command, args: &[OsString]) -> String {
    command.try_get_matches_from(args).err().map(|page| page.render().to_string()).unwrap_or_default()
}

/// The whole command line with the values of variables, else those of the settings file, as defaults.
fn with_values(
    defaults: &dyn Fn(&str) -> Vec<String>,
    variable: &dyn Fn(&OsStr) -> Option<OsString>,
) -> Command {
    let with_value = |arg: Arg| {
        let by_variable = arg.get_env().and_then(variable).filter(|value| !value.is_empty());
        let of_file = || key(&arg).map(|key| defaults(&key)).unwrap_or_default();
        let values = match by_variable {
            Some(value) => vec![value],
            None => of_file().into_iter().map(OsString::from).collect(),
        };
        let arg = arg.env(None::<&str>);
        if values.is_empty() { arg } else { arg.default_values(values).required(false) }
    };
    command().mut_args(with_value).mut_subcommands(|verb| verb.mut_args(with_value))
}

/// What is not valid among the settings file's values and the variables, a sentence each.
pub fn invalid(
    defaults: &dyn Fn(&str) -> Vec<String>,
    variable: &dyn Fn(&OsStr) -> Option<OsString>,
) -> Vec<String> {
    let command = with_values(defaults, variable);
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let why = |verb: &String| {
        let error = command.clone().try_get_matches_from(["pgstow", verb]).err()?;
        let is_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
        let text = error.render().to_string();
        // A value may have several lines.
        let first = text.split("\n\n").next().unwrap_or_default();
        is_value.then(|| first.trim_start_matches("error: ").to_owned())
    };
    let all: BTreeSet<String> = verbs.iter().filter_map(why).collect();
    all.into_iter().collect()
}
