//! What is done in a restored database before anybody sees it.

use super::environment::is_blank as is_empty;
use super::lines;
use crate::cli::AfterWords;
use crate::error::{Error, Result};
use crate::postgres::grants::Grant;
use crate::postgres::masked;
use crate::restore::request::{After, Script};
use crate::sql::words;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No comment before a script's first statement is longer, in bytes: of a longer script no more is read.
const LONGEST_COMMENT: u64 = 1 << 20;

/// Checks the words.
pub(super) fn after(words: AfterWords) -> Result<After> {
    refuse_empty("PGSTOW_AFTER", words.after.is_empty())?;
    refuse_empty("PGSTOW_AFTER_SQL", words.after_sql.is_empty())?;
    let files = words.after.iter().flat_map(|text| paths(text)).map(of_file);
    let typed = words.after_sql.into_iter().map(typed);
    let grants = |roles: &[String], grant: Grant| lines(roles).into_iter().map(move |role| (role, grant));
    Ok(After {
        scripts: files.chain(typed).collect::<Result<_>>()?,
        grants: grants(&words.grant_all, Grant::All).chain(grants(&words.grant_read, Grant::Read)).collect(),
    })
}

/// The files that one value names, one a line.
fn paths(text: &Path) -> Vec<PathBuf> {
    match text.to_str() {
        Some(text) => lines(&[text.to_owned()]).into_iter().map(PathBuf::from).collect(),
        None => vec![text.to_owned()],
    }
}

/// A file is opened now: better than after the data has moved.
fn of_file(path: PathBuf) -> Result<Script> {
    let label = format!("--after {}", path.display());
    refuse_blank(path.to_str().is_some_and(|path| path.trim().is_empty()), "--after")?;
    let (file, text, blank) = read(&path).map_err(|e| Error::settings(format!("{label}: {e}")).because(e))?;
    refuse_blank(blank, &label)?;
    Ok(Script { title: path.display().to_string(), label, file, text })
}

/// The file for psql, or what a pipe gave, which gives it only once, and to us: psql's stdin is another one. Also
/// whether there is nothing to run in it.
fn read(path: &PathBuf) -> io::Result<(PathBuf, Vec<u8>, bool)> {
    let mut file = File::open(path)?;
    let facts = file.metadata()?;
    if facts.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut text = Vec::new();
    if facts.is_file() {
        file.take(LONGEST_COMMENT).read_to_end(&mut text)?;
        let blank = facts.len() < LONGEST_COMMENT && is_blank(&text);
        return Ok((path.clone(), Vec::new(), blank));
    }
    file.read_to_end(&mut text)?;
    let blank = is_blank(&text);
    Ok(("-".into(), text, blank))
}

fn typed(sql: String) -> Result<Script> {
    refuse_blank(is_blank(sql.as_bytes()), "--after-sql")?;
    Ok(Script {
        label: "--after-sql".into(),
        title: shortened(&masked(&sql)),
        file: "-".into(),
        text: sql.into_bytes(),
    })
}

/// Refuses a variable that is set, but to nothing, if nobody else gives what it should: every other one counts as unset, but
/// a copy that is not masked as it should be, and a check that was not made, look like those that were.
pub(super) fn refuse_empty(variable: &str, is_missing: bool) -> Result<()> {
    refuse_blank(is_missing && is_empty(variable), &format!("{variable} is set, but empty"))
}

/// A copy that nothing has masked looks like one that was.
fn refuse_blank(blank: bool, label: &str) -> Result<()> {
    if blank {
        return Err(Error::usage(format!("{label}: the script is empty")).hint(
            "an unset variable looks like that; if nothing is to be run, leave it out, or unset the variable",
        ));
    }
    Ok(())
}

/// Whether there is nothing but blanks and comments.
pub(super) fn is_blank(script: &[u8]) -> bool {
    words(script).all(|word| word.is_sign(b';'))
}

/// A statement for a message, not too long.
fn shortened(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let start: String = line.chars().take(60).collect();
    if start.len() < line.len() { format!("{start} …") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_without_a_statement_is_empty() {
        for empty in ["", " \n", ";", "-- UPDATE a;\n", "/* UPDATE a; */\n;", "-- a\n/* b */ -- c"] {
            assert!(is_blank(empty.as_bytes()), "{empty}");
        }
        for script in ["UPDATE a;", "/* a */ UPDATE a", "-- a\n\\i b.sql"] {
            assert!(!is_blank(script.as_bytes()), "{script}");
        }
    }
}
