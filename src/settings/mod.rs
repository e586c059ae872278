//! What the words mean: words, environment and `pgstow.toml` become typed, checked settings.
//!
//! Nothing outside this folder reads a flag or the environment. A flag beats a variable, a variable
//! beats the settings file, the file beats the default.

mod actions;
mod adopt;
mod after;
mod backup;
mod choose;
mod clone;
mod command;
mod config;
mod copy;
mod delete;
mod doctor;
mod environment;
mod fetch;
mod file;
mod fitting;
mod keep;
mod keygen;
mod keys;
mod latest;
mod list;
mod monitoring;
mod neon;
mod origin;
mod parallel;
mod permissions;
mod readers;
mod reading;
mod rekey;
mod report;
mod restore;
mod schedule;
mod secrets;
mod show;
mod status;
mod store;
mod swap;
mod verify;
mod words;
mod writing;

pub use actions::{actions, masks};
pub use adopt::Adopt;
pub use backup::{Backup, What};
pub use clone::clone;
pub use command::Feed;
pub use config::{Config, Setting, Source};
pub use copy::copy;
pub use delete::delete;
pub use doctor::{doctor, thief};
pub use fetch::fetch;
pub use keep::prune;
pub use keygen::Keygen;
pub use list::List;
pub use monitoring::{early_monitoring, monitoring, subject};
pub use readers::readers;
pub use rekey::rekey;
pub use report::StoreReport;
pub use restore::{Goal, IntoDatabase, Restore};
pub use schedule::schedule;
pub use show::Show;
pub use status::status;
pub use swap::swap;
pub use verify::{receipts_check, verify};
pub use words::{Remarks, words};

use after::after;
use command::command;
use environment::{of_the_user, variable};
use fitting::fitting;
use keep::keeping;
use neon::{neon_branch, neon_source};
use parallel::sessions;
use reading::{history, reading, reading_without_keys, select, selection, which};
use restore::proof_by;
use store::{destinations, location, location_to_look_at, only_location};
use writing::writing;

use crate::archive::Pattern;
use crate::cli::{ServerWords, TableWords};
use crate::error::{Error, Result};
use crate::postgres::{ConnInfo, Environment, PasswordCommand, clients::Search};
use crate::stored::format::names::Name;
use crate::temporary::folder_of;
use std::fs::Metadata;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

fn name(text: Option<&str>) -> Result<Option<Name>> {
    text.map(str::parse).transpose()
}

/// The connection and the search for programs; refuses poolers unless asked not to.
///
/// Without a connection string libpq's own defaults and variables count; an empty one is a mistake.
fn server(url: Option<&str>, words: &ServerWords) -> Result<(ConnInfo, Search)> {
    if url.is_some_and(|url| url.trim().is_empty()) {
        return Err(Error::usage("the connection string is empty")
            .hint("an unset variable looks like that, as in \"$DATABASE_URL\""));
    }
    let connection = ConnInfo::parse(url.unwrap_or_default(), variable)?;
    let connection = if words.allow_pooled {
        connection.perhaps_pooled()
    } else {
        connection.refuse_pooler()?;
        connection
    };
    let line = words.password_command.clone();
    let asked = line.map(|line| PasswordCommand { line, environment: of_the_user() });
    Ok((connection.with_password_command(asked), search(words.pg_bin.clone())))
}

/// Refuses two outputs into one file: the second would take the place of the first.
fn refuse_same_file(outputs: &[(&str, Option<&Path>); 2]) -> Result<()> {
    let [(first, Some(one)), (second, Some(other))] = *outputs else { return Ok(()) };
    // Nothing is replaced in a device, such as /dev/null.
    let is_device = |metadata: Metadata| metadata.file_type().is_char_device();
    let is_none = one == Path::new("-") || one.metadata().is_ok_and(is_device);
    match !is_none && place(one) == place(other) {
        true => Err(Error::usage(format!("{first} and {second} name the same file: {}", one.display()))),
        false => Ok(()),
    }
}

/// Where a file is or will be, whatever it is called.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let folder = folder_of(path).canonicalize();
        folder.ok().zip(path.file_name()).map_or_else(|| path.to_owned(), |(folder, name)| folder.join(name))
    })
}

/// Where to look for PostgreSQL's programs.
fn search(only: Option<PathBuf>) -> Search {
    Search { only, environment: Environment::new(std::env::vars_os()) }
}

/// The patterns of the wanted tables; none for all.
fn tables(words: &TableWords) -> Result<Vec<Pattern>> {
    patterns(&words.table)
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>> {
    lines_of_patterns(texts).iter().map(|text| Pattern::parse(text)).collect()
}

/// What a variable or the settings file gives one a line.
fn lines(texts: &[String]) -> Vec<String> {
    let one = |text: &String| without_blank(text.split('\n').map(str::to_owned).collect());
    texts.iter().flat_map(one).collect()
}

/// Patterns, one a line; a line break in double quotes belongs to the name.
fn lines_of_patterns(texts: &[String]) -> Vec<String> {
    let one = |text: &String| {
        let (mut all, mut quoted) = (vec![String::new()], false);
        for c in text.chars() {
            quoted ^= c == '"';
            match all.last_mut() {
                Some(line) if c != '\n' || quoted => line.push(c),
                _ => all.push(String::new()),
            }
        }
        without_blank(all)
    };
    texts.iter().flat_map(one).collect()
}

/// YAML's blocks end with a line break, and lines of a file of Windows' with a carriage return before it. If there is
/// nothing but blanks, one stays and is refused: an unset variable in quotes looks like that.
fn without_blank(mut lines: Vec<String>) -> Vec<String> {
    lines.iter_mut().for_each(|line| line.truncate(line.trim_end_matches('\r').len()));
    lines.retain(|line| !line.trim().is_empty());
    if lines.is_empty() { vec![String::new()] } else { lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_outputs_never_go_into_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, same) = (folder.path().join("f"), folder.path().join("./f"));
        let refused = |one: &Path, other: &Path| {
            refuse_same_file(&[("--one", Some(one)), ("--other", Some(other))]).is_err()
        };
        assert!(refused(&file, &same));
        assert!(!refused(&file, &folder.path().join("g")));
        std::os::unix::fs::symlink(&file, folder.path().join("g")).unwrap();
        std::fs::write(&file, "").unwrap();
        assert!(refused(&file, &folder.path().join("g")));
        assert!(!refused(Path::new("-"), Path::new("-")), "stdout is refused elsewhere, where it matters");
        assert!(!refused(Path::new("/dev/null"), Path::new("/dev/null")));
        assert!(refuse_same_file(&[("--one", Some(&file)), ("--other", None)]).is_ok());
    }

    #[test]
    fn a_line_break_in_quotes_is_part_of_a_name() {
        let texts = [
            "a\nb".to_owned(),
            "\"c\nd\".e".to_owned(),
            "\"f\"\"\ng\"\nh".to_owned(),
            "\"i\r\nj\"\r\nk".to_owned(),
        ];
        let whole = ["a", "b", "\"c\nd\".e", "\"f\"\"\ng\"", "h", "\"i\r\nj\"", "k"];
        assert_eq!(lines_of_patterns(&texts), whole);
    }

    #[test]
    fn blank_lines_count_for_nothing_unless_there_is_nothing_else() {
        for split in [lines, lines_of_patterns] {
            assert_eq!(split(&["a\n\nb\n".to_owned(), "c\n".to_owned()]), ["a", "b", "c"]);
            assert_eq!(split(&["a".to_owned(), String::new(), "\n ".to_owned()]), ["a", "", ""]);
            assert_eq!(split(&["a\r\nb\r\n".to_owned(), "c\r".to_owned()]), ["a", "b", "c"]);
            assert_eq!(split(&[]), [""; 0]);
        }
        // A label may have an odd quote in it.
        assert_eq!(lines(&["disk=5\" x\nteam=y".to_owned()]), ["disk=5\" x", "team=y"]);
    }
}
