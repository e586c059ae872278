//! Decides between settings that exclude each other: what was typed comes before a variable, and that before the
//! settings file.

use super::environment::explain_empty;
use super::latest::look_back_for_latest_only;
use crate::cli::{
    BackupWords, CopyWords, FittingWords, OnError, RestoreWords, ScheduleWords, SwapWords, Verb, VerifyWords,
    Words, WritingWords,
};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// Flags that need a Neon project, by their keys in a settings file.
pub(super) const ABOUT_NEON: [(&str, &str); 7] = [
    ("neon_database", "--database"),
    ("neon_role", "--role"),
    ("via_branch", "--via-branch"),
    ("neon_parent", "--neon-parent"),
    ("neon_branch", "--neon-branch"),
    ("neon_expires", "--neon-expires"),
    ("show_password", "--show-password"),
];

/// Who says something, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    File,
    Variable,
    CommandLine,
}

/// Leaves out what something stronger excludes.
///
/// # Errors
/// `Kind::Usage` if neither is stronger.
pub(super) fn choose(words: &mut Words) -> Result<()> {
    let Words { verb, given, typed, denied, common, .. } = words;
    let by = |key: &str| match () {
        () if typed.contains(key) => By::CommandLine,
        () if given.contains(key) => By::Variable,
        () => By::File,
    };
    let before = have_their_subject(verb);
    if by("before") < By::CommandLine {
        look_back_for_latest_only(verb);
    }
    let is_denied = |key: &str| denied.contains(key);
    match verb {
        Verb::Backup(backup) => {
            choose_readers(&mut backup.writing, by);
            choose_source(backup, by, is_denied("all_databases"))?;
        }
        Verb::Doctor(doctor) => {
            choose_readers(&mut doctor.backup.writing, by);
            choose_source(&mut doctor.backup, by, is_denied("all_databases"))?;
        }
        Verb::Adopt(adopt) => choose_readers(&mut adopt.writing, by),
        Verb::Restore(restore) => {
            choose_owner(&mut restore.fitting, by);
            choose_target(restore, by)?;
            choose_extent(restore, by);
        }
        Verb::Clone(clone) => choose_owner(&mut clone.fitting, by),
        Verb::Verify(verify) => {
            choose_trial(verify, by, is_denied("verify_restore"));
            choose_verified(verify, by)?;
        }
        Verb::Report(report) => {
            let page = report.output.as_ref().filter(|output| *output == Path::new("-"));
            let (page, document) = (page.map(|_| by("report_output")), common.json.then(|| by("json")));
            report.output.take_if(|_| page.is_some() && page < document);
            common.json &= document >= page;
        }
        Verb::Keygen(keygen) => {
            let paper = keygen.paper.as_ref().map(|_| by("keygen_paper"));
            let signing = keygen.signing.then(|| by("signing"));
            keygen.paper.take_if(|_| paper < signing);
            keygen.signing &= signing >= paper;
        }
        Verb::Copy(copy) => choose_copied(copy, by)?,
        Verb::Rekey(rekey) => rekey.all &= rekey.id.is_none() || by("rekey_all") == By::CommandLine,
        Verb::Swap(swap) => choose_other(swap, by)?,
        Verb::Schedule(schedule) => choose_moments(schedule, by),
        _ => return Ok(()),
    }
    let now = have_their_subject(verb);
    // What variables say about something that was left out is left out with it.
    given.retain(|key| typed.contains(key) || now.contains(key.as_str()) || !before.contains(key.as_str()));
    Ok(())
}

/// The keys whose flags need another one, if that is there.
fn have_their_subject(verb: &Verb) -> BTreeSet<&'static str> {
    let (neon, into, swap) = match verb {
        Verb::Backup(backup) => (backup.neon.neon.is_some(), false, false),
        Verb::Restore(restore) => (restore.neon.neon.is_some(), restore.into.is_some(), restore.swap),
        _ => (false, false, false),
    };
    let about_neon = ABOUT_NEON.into_iter().map(|(key, _)| key).filter(|_| neon);
    about_neon.chain(into.then_some("truncate")).chain(swap.then_some("keep_old")).collect()
}

/// Recipients and a passphrase exclude each other. What is typed of them is for whom the backup is; that it is stored
/// readable for everyone has to be said by nobody else.
fn choose_readers(writing: &mut WritingWords, by: impl Fn(&str) -> By) {
    let is_typed = |key: &str| by(key) == By::CommandLine;
    let named = !writing.recipients.is_empty() && is_typed("recipients")
        || !writing.recipients_file.is_empty() && is_typed("recipients_file");
    let asked = writing.passphrase && is_typed("ask_passphrase");
    let secret = asked || writing.passphrase_file.is_some() && is_typed("passphrase_file");
    if asked {
        writing.passphrase_file.take_if(|_| !is_typed("passphrase_file"));
    }
    if named || secret {
        writing.no_encryption &= is_typed("no_encryption");
    }
    // What is set for restores opens backups all the same.
    writing.only_recipients = named && !secret;
}

/// A stream is no database. DATABASE_URL is the application's: a project that is named comes before it, and so does a
/// stream, but not before a URL that was typed.
fn choose_source(backup: &mut BackupWords, by: impl Fn(&str) -> By, only_one: bool) -> Result<()> {
    if only_one && by("exclude") == By::File {
        backup.exclude.clear();
    }
    let command = (!backup.command.is_empty()).then_some(By::CommandLine);
    let stdin = backup.stdin.then(|| by("stdin"));
    let url = backup.url.as_ref().map(|_| by("database_url"));
    let neon = backup.neon.neon.as_ref().map(|_| by("neon"));
    let every = backup.all_databases.then(|| by("all_databases"));
    let exclude = (!backup.exclude.is_empty()).then(|| by("exclude"));
    let typed_url = url.filter(|url| *url == By::CommandLine);
    let database = typed_url.max(neon).max(every);
    backup.stdin &= stdin >= command.max(database);
    let stream = command.max(stdin.filter(|_| backup.stdin));
    if stream.is_some() {
        backup.url.take_if(|_| url < stream || url == Some(By::Variable));
        backup.neon.neon.take_if(|_| neon < stream);
        backup.all_databases &= every >= stream;
        if exclude < stream {
            backup.exclude.clear();
        }
        return Ok(());
    }
    if typed_url.is_some() {
        if neon == Some(By::CommandLine) {
            return Err(Error::usage("a URL and --neon contradict each other").hint("leave one of them out"));
        }
        backup.neon.neon = None;
    } else if every.is_some() && every < neon {
        // The other way round both stay, and are refused: --all-databases does not name a server.
        backup.all_databases = false;
        if exclude < neon {
            backup.exclude.clear();
        }
    }
    Ok(())
}

fn choose_owner(fitting: &mut FittingWords, by: impl Fn(&str) -> By) {
    let owner = fitting.owner.as_ref().map(|_| by("owner"));
    let no_owner = fitting.no_owner.then(|| by("no_owner"));
    fitting.owner.take_if(|_| owner < no_owner);
    fitting.no_owner &= no_owner >= owner;
}

fn choose_target(restore: &mut RestoreWords, by: impl Fn(&str) -> By) -> Result<()> {
    let command = (!restore.command.is_empty()).then_some(By::CommandLine);
    let swap = restore.swap.then(|| by("swap"));
    // What is swapped is the database in --to.
    let to = restore.to.as_ref().and_then(|_| swap.max(Some(by("to"))));
    let into = restore.into.as_ref().map(|_| by("into"));
    let neon = restore.neon.neon.as_ref().map(|_| by("neon"));
    let strongest = command.max(to).max(into).max(neon);
    restore.to.take_if(|_| to < strongest);
    restore.into.take_if(|_| into < strongest);
    restore.neon.neon.take_if(|_| neon < strongest);
    restore.swap &= restore.to.is_some() || swap >= strongest;
    let (to, into, neon) = (restore.to.is_some(), restore.into.is_some(), restore.neon.neon.is_some());
    match (to, into, neon) {
        // What contradicts a command is refused with all that it would pass over.
        _ if command.is_some() => Ok(()),
        // A branch of its own harms nothing, so a project comes before a URL if nobody typed it.
        (true, false, true) if strongest < Some(By::CommandLine) => Ok(()),
        (true, false, true) => Err(contradiction("--to", "--neon")),
        (true, true, _) => Err(contradiction("--to", "--into")),
        (_, true, true) => Err(contradiction("--into", "--neon")),
        _ => Ok(()),
    }
}

/// What goes into the new database, and what becomes of it.
fn choose_extent(restore: &mut RestoreWords, by: impl Fn(&str) -> By) {
    let truncate = restore.truncate.then(|| by("truncate"));
    let create = restore.create_tables.then(|| by("create_tables"));
    restore.truncate &= truncate >= create;
    restore.create_tables &= create >= truncate;
    let keep = (restore.on_error == OnError::Keep).then(|| by("on_error"));
    let table = (!restore.tables.table.is_empty()).then(|| by("table"));
    let schema = restore.schema_only.then(|| by("schema_only"));
    let swap = restore.swap.then(|| by("swap"));
    let neon = restore.neon.neon.as_ref().map(|_| by("neon"));
    restore.swap &= swap >= keep.max(table).max(schema);
    // One that gives way takes nothing along.
    let swap = swap.filter(|_| restore.swap);
    restore.schema_only &= schema >= swap;
    if keep < swap.max(neon) {
        restore.on_error = OnError::Drop;
    }
}

/// A variable that says no to a trial says no to what the file says about one.
fn choose_trial(verify: &mut VerifyWords, by: impl Fn(&str) -> By, no_trial: bool) {
    let quick = verify.quick.then(|| by("verify_quick"));
    let trial = verify.restore.then(|| by("verify_restore"));
    verify.restore &= trial >= quick;
    verify.quick &= quick >= trial;
    if !verify.restore && (trial.is_some() || no_trial) {
        // What is said about the trial goes with it.
        let strongest = if trial.is_some() { By::CommandLine } else { By::Variable };
        let is_weak = |key: &str| by(key) < strongest;
        verify.to.take_if(|_| is_weak("verify_to"));
        verify.checks.retain(|_| !is_weak("check"));
        verify.receipts.receipt.take_if(|_| is_weak("receipt"));
        verify.receipts.record &= !is_weak("record");
    }
}

/// Only an id and --all exclude a choice of some: those that are the newest of their names may have to be old, too.
fn choose_verified(verify: &mut VerifyWords, by: impl Fn(&str) -> By) -> Result<()> {
    let id = verify.id.as_ref().map(|_| By::CommandLine);
    let all = verify.all.then(|| by("verify_all"));
    let newest = verify.newest_per_name.then(|| by("newest_per_name"));
    let older = verify.older_than.map(|_| by("older_than"));
    let newer = verify.newer_than.map(|_| by("newer_than"));
    verify.all &= all >= id.max(newest).max(older).max(newer);
    verify.newest_per_name &= newest >= id.max(all);
    verify.older_than.take_if(|_| older < id.max(all));
    verify.newer_than.take_if(|_| newer < id.max(all));
    if verify.older_than.zip(verify.newer_than).is_some_and(|(least, most)| least > most) {
        // No backup can be that old and that new.
        verify.older_than.take_if(|_| older < newer);
        verify.newer_than.take_if(|_| newer < older);
        if verify.older_than.is_some() && verify.newer_than.is_some() {
            return Err(contradiction("--older-than", "--newer-than"));
        }
    }
    refuse_two(verify.all, verify.newest_per_name)
}

fn choose_copied(copy: &mut CopyWords, by: impl Fn(&str) -> By) -> Result<()> {
    let id = copy.id.as_ref().map(|_| By::CommandLine);
    let all = copy.all.then(|| by("copy_all"));
    let newest = copy.newest_per_name.then(|| by("newest_per_name"));
    let newer = copy.newer_than.map(|_| by("copy_newer_than"));
    let strongest = id.max(all).max(newest).max(newer);
    copy.all &= all == strongest;
    copy.newest_per_name &= newest == strongest;
    copy.newer_than.take_if(|_| newer < strongest);
    refuse_two(copy.all, copy.newest_per_name)
}

fn refuse_two(all: bool, newest_per_name: bool) -> Result<()> {
    match all && newest_per_name {
        true => Err(contradiction("--all", "--newest-per-name")),
        false => Ok(()),
    }
}

fn choose_other(swap: &mut SwapWords, by: impl Fn(&str) -> By) -> Result<()> {
    let back = swap.back.then(|| by("swap_back"));
    let with = swap.with.as_ref().map(|_| by("swap_with"));
    swap.back &= back >= with;
    swap.with.take_if(|_| with < back);
    match (swap.back, swap.with.is_some()) {
        (true, true) => Err(contradiction("--back", "--with")),
        (false, false) => {
            let missing = Error::usage("no database was given that gets the name")
                .hint("name one with --with, or undo the last swap with --back");
            Err(explain_empty(missing, &["PGSTOW_SWAP_WITH"]))
        }
        _ => Ok(()),
    }
}

fn choose_moments(schedule: &mut ScheduleWords, by: impl Fn(&str) -> By) {
    let cron = schedule.cron.as_ref().map(|_| by("cron"));
    let every = schedule.every.as_ref().map(|_| by("every"));
    schedule.cron.take_if(|_| cron < every);
    schedule.every.take_if(|_| every < cron);
}

fn contradiction(one: &str, other: &str) -> Error {
    Error::usage(format!("{one} and {other} contradict each other"))
        .hint("leave one of them out, also in variables and in pgstow.toml")
}

#[cfg(test)]
mod tests {
    use crate::cli::{Parsed, Verb, Words};
    use crate::settings::backup::What;
    use crate::settings::words;
    use std::ffi::OsString;

    /// What a command line means with a settings file of this text.
    fn read(text: &str, line: &str) -> Result<Words, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.toml");
        std::fs::write(&file, text).unwrap();
        let mut args: Vec<OsString> = ["pgstow".into(), "--config".into(), file.into()].into();
        args.extend(line.split(' ').map(OsString::from));
        match words(args) {
            Ok((Parsed::Words(words), _)) => Ok(*words),
            Ok((other, _)) => panic!("{line}: {other:?}"),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    #[test]
    fn a_url_that_was_typed_comes_before_a_project_that_was_not() {
        let neon = |text: &str, line: &str| match read(text, line)?.verb {
            Verb::Backup(backup) => Ok::<_, String>(backup.neon.neon),
            Verb::Restore(restore) => Ok(restore.neon.neon),
            Verb::Doctor(doctor) => Ok(doctor.backup.neon.neon),
            _ => panic!("{line}"),
        };
        let file = "neon = \"p\"\nvia_branch = true\n";
        for line in ["backup postgres://h/app", "doctor postgres://h/app", "restore latest --to x"] {
            assert_eq!(neon(file, line), Ok(None), "{line}");
            neon("", &format!("{line} --neon p")).unwrap_err();
        }
        assert_eq!(neon(file, "backup"), Ok(Some("p".into())));
        assert_eq!(neon(file, "backup --name x -- true"), Ok(None));
        for text in ["", file] {
            let words = read(text, "backup --neon p --name x -- true").unwrap();
            let Verb::Backup(backup) = words.verb else { panic!("another verb") };
            let refused = What::read(*backup).err().unwrap();
            assert!(refused.message().starts_with("--neon and a stream contradict"), "{refused}");
        }
        assert_eq!(neon("to = \"x\"", "restore latest --neon p"), Ok(Some("p".into())));
        let lost = neon(file, "backup postgres://h/app --role r").unwrap_err();
        assert!(lost.starts_with("--role needs a Neon project"), "{lost}");
    }

    #[test]
    fn a_target_that_was_typed_comes_before_those_of_the_file() {
        let targets = |line: &str| match read("to = \"a\"\ninto = \"b\"\n", line)?.verb {
            Verb::Restore(restore) => Ok::<_, String>((restore.to, restore.into)),
            _ => panic!("{line}"),
        };
        assert_eq!(targets("restore latest"), Err("--to and --into contradict each other".into()));
        assert_eq!(targets("restore latest --to c"), Ok((Some("c".into()), None)));
        assert_eq!(targets("restore latest --into c --table t"), Ok((None, Some("c".into()))));
        assert_eq!(targets("restore latest --neon p"), Ok((None, None)));
        assert_eq!(targets("restore latest -- true"), Ok((None, None)));
        for line in ["--to c -- true", "--into c -t t -- true", "--swap --into c -t t", "--into c"] {
            targets(&format!("restore latest {line}")).unwrap_err();
        }
        let swap = |text: &str, line: &str| match read(text, line)?.verb {
            Verb::Swap(swap) => Ok::<_, String>((swap.back, swap.with.is_some())),
            Verb::Restore(restore) => Ok((restore.swap, restore.into.is_some())),
            _ => panic!("{line}"),
        };
        for text in ["swap_with = \"r\"", ""] {
            assert_eq!(swap(text, "swap --to x --back"), Ok((true, false)));
            swap(text, "swap --to x --back --with r").unwrap_err();
        }
        assert_eq!(swap("swap_back = true", "swap --to x --with r"), Ok((false, true)));
        assert_eq!(swap("swap_with = \"r\"", "swap --to x"), Ok((false, true)));
        swap("", "swap --to x").unwrap_err();
        let both = "to = \"x\"\nneon = \"p\"\n";
        assert_eq!(swap(both, "restore latest --swap"), Ok((true, false)), "it is about --to");
        let file = "swap = true\n";
        assert_eq!(swap(file, "restore latest --to x"), Ok((true, false)));
        assert_eq!(swap(file, "restore latest --neon p"), Ok((false, false)));
        assert_eq!(swap(file, "restore latest --into x --table t"), Ok((false, true)));
    }

    #[test]
    fn a_stream_that_was_typed_comes_before_databases_of_the_file() {
        let what = |text: &str, line: &str| match read(text, line)?.verb {
            Verb::Backup(backup) => What::read(*backup).map_err(|error| error.message().to_owned()),
            _ => panic!("{line}"),
        };
        let of_databases =
            ["neon = \"p\"", "exclude = [\"x\"]", "all_databases = true", "database_url = \"x\""];
        for text in of_databases {
            for stream in ["backup --name s -- true", "backup --name s --stdin"] {
                assert!(matches!(what(text, stream), Ok(What::Stream(_))), "{text} {stream}");
            }
            what(&format!("{text}\nstdin = true"), "backup --name s").unwrap_err();
        }
        for left_out in ["exclude_tables", "exclude_table_data", "tables", "schemas", "exclude_schemas"] {
            let refused = what(&format!("{left_out} = \"x\""), "backup --name s -- true").unwrap_err();
            assert!(refused.contains("and a stream contradict"), "{refused}");
        }
        for typed in ["--exclude x", "--all-databases", "--neon p", "postgres://h/app"] {
            what("", &format!("backup --name s {typed} -- true")).unwrap_err();
        }
        let file = "stdin = true\nname = \"s\"\n";
        assert!(matches!(what(file, "backup -- true"), Ok(What::Stream(_))));
        assert!(matches!(what(file, "backup postgres://h/app"), Ok(What::Database(_))));
        assert!(matches!(what(file, "backup postgres://h --all-databases"), Ok(What::Every { .. })));
        what("", "backup --name s --stdin -- true").unwrap_err();
        let every = "all_databases = true\nexclude = [\"x\"]";
        match read(every, "backup --neon p").unwrap().verb {
            Verb::Backup(backup) => {
                assert!(backup.neon.neon.is_some() && !backup.all_databases && backup.exclude.is_empty());
            }
            _ => panic!("another verb"),
        }
    }

    #[test]
    fn an_owner_or_a_check_that_was_typed_comes_before_that_of_the_file() {
        let owner = |text: &str, line: &str| match read(text, line).unwrap().verb {
            Verb::Restore(restore) => (restore.fitting.owner.is_some(), restore.fitting.no_owner),
            Verb::Clone(clone) => (clone.fitting.owner.is_some(), clone.fitting.no_owner),
            _ => panic!("{line}"),
        };
        for verb in ["restore latest --to x", "clone a b"] {
            assert_eq!(owner("owner = \"r\"", &format!("{verb} --no-owner")), (false, true));
            assert_eq!(owner("no_owner = true", &format!("{verb} --owner r")), (true, false));
            assert_eq!(owner("", &format!("{verb} --owner r -O")), (true, true), "refused later");
        }
        let how = |text: &str, line: &str| match read(text, line).unwrap().verb {
            Verb::Verify(verify) => (verify.quick, verify.restore, verify.checks.len()),
            _ => panic!("{line}"),
        };
        let trial = "verify_restore = true\ncheck = \"SELECT true\"\n";
        assert_eq!(how(trial, "verify --all --quick"), (true, false, 0));
        assert_eq!(how(trial, "verify --all --quick --check x"), (true, false, 1), "refused later");
        assert_eq!(how("verify_quick = true", "verify --all --restore"), (false, true, 0));
        assert_eq!(how("check = \"SELECT true\"", "verify --all"), (false, false, 1), "refused later");
    }

    #[test]
    fn the_backups_that_were_typed_come_before_those_of_the_file() {
        let many = |text: &str, line: &str| match read(text, line)?.verb {
            Verb::Copy(copy) => Ok::<_, String>((copy.all, copy.newest_per_name, None)),
            Verb::Verify(verify) => Ok((verify.all, verify.newest_per_name, verify.older_than)),
            Verb::Rekey(rekey) => Ok((rekey.all, false, None)),
            _ => panic!("{line}"),
        };
        let newest = "newest_per_name = true\nolder_than = \"10d\"\n";
        let all = "copy_all = true\nverify_all = true\nrekey_all = true\n";
        for verb in ["copy", "verify"] {
            assert_eq!(many(newest, &format!("{verb} --all")), Ok((true, false, None)));
            assert_eq!(many(all, &format!("{verb} --newest-per-name")), Ok((false, true, None)));
            many("", &format!("{verb} --all --newest-per-name")).unwrap_err();
            many(&format!("{newest}{all}"), verb).unwrap_err();
            assert_eq!(many(newest, &format!("{verb} latest")), Ok((false, false, None)));
        }
        // The newest of each name may have to be old, too.
        let age = Some(std::time::Duration::from_secs(864_000));
        assert_eq!(many("older_than = \"10d\"", "verify --newest-per-name"), Ok((false, true, age)));
        assert_eq!(many("newest_per_name = true", "verify --older-than 10d"), Ok((false, true, age)));
        assert_eq!(many("verify_all = true", "verify --older-than 10d"), Ok((false, false, age)));
        assert_eq!(many("older_than = \"10d\"", "verify --all"), Ok((true, false, None)));
        let newer = |text: &str, line: &str| match read(text, line).unwrap().verb {
            Verb::Copy(copy) => (copy.all, copy.newer_than.is_some()),
            Verb::Verify(verify) => (verify.all, verify.newer_than.is_some()),
            _ => panic!("{line}"),
        };
        for (verb, key) in [("copy", "copy_newer_than"), ("verify", "newer_than")] {
            let file = format!("{key} = \"7d\"\n");
            assert_eq!(newer(&file, verb), (false, true));
            assert_eq!(newer(&file, &format!("{verb} latest")), (false, false));
            assert_eq!(newer("", &format!("{verb} --all --newer-than 7d")), (true, true));
        }
        for verb in ["copy", "verify", "rekey"] {
            assert_eq!(many(all, verb).map(|many| many.0), Ok(true));
            assert_eq!(many(all, &format!("{verb} latest")), Ok((false, false, None)));
            assert_eq!(
                many("", &format!("{verb} latest --all")).map(|many| many.0),
                Ok(true),
                "refused later"
            );
        }
    }

    #[test]
    fn a_list_is_refused_if_a_verb_takes_one() {
        let file = "name = [\"app\", \"other\"]\n";
        for line in ["status", "prune", "backup --name x", "list x", "keys x"] {
            read(file, line).unwrap();
        }
        // A whole id is one of a backup, whatever its name is.
        for verb in ["show", "fetch", "verify", "restore", "copy", "rekey"] {
            let mut words = read(file, &format!("{verb} 20260801T020000Z-abcdef")).unwrap();
            assert_eq!(words.verb.one_backup().unwrap().1, &None, "{verb}");
        }
        for line in ["backup", "verify --all", "list", "keys", "show latest", "show 2026"] {
            let refused = read(file, line).unwrap_err();
            assert!(refused.contains("\"name\" has 2 values"), "{line}: {refused}");
        }
    }

    #[test]
    fn the_passphrase_of_an_identity_names_no_recipient() {
        let rekey = |text: &str, line: &str| match read(text, line).unwrap().verb {
            Verb::Rekey(rekey) => (rekey.recipients, rekey.identity.passphrase_file.is_some()),
            _ => panic!("{line}"),
        };
        let recipients = "recipients = [\"age1a\"]\n";
        assert_eq!(rekey(recipients, "rekey --all --passphrase-file p"), (vec!["age1a".into()], true));
        let both = format!("{recipients}passphrase_file = \"p\"\n");
        assert_eq!(rekey(&both, "rekey --all -r age1b"), (vec!["age1b".into()], true));
        assert_eq!(rekey("recipients_file = \"f\"", "rekey --all -r age1b"), (vec!["age1b".into()], false));
    }

    #[test]
    fn a_key_or_a_page_that_was_typed_comes_before_what_excludes_it_in_the_file() {
        let keygen = |text: &str, line: &str| match read(text, line).unwrap().verb {
            Verb::Keygen(keygen) => (keygen.signing, keygen.paper.is_some()),
            _ => panic!("{line}"),
        };
        assert_eq!(keygen("keygen_paper = \"p\"", "keygen --signing"), (true, false));
        assert_eq!(keygen("signing = true", "keygen --paper p"), (false, true));
        assert_eq!(keygen("", "keygen --signing --paper p"), (true, true), "refused later");
        let report = |text: &str, line: &str| {
            let words = read(text, line).unwrap();
            let Verb::Report(report) = words.verb else { panic!("{line}") };
            (words.common.json, report.output.is_some())
        };
        assert_eq!(report("json = true", "report -o -"), (false, true));
        assert_eq!(report("report_output = \"-\"", "report --json"), (true, false));
        assert_eq!(report("report_output = \"f\"", "report --json"), (true, true));
    }

    #[test]
    fn what_looks_back_is_for_latest_only() {
        let before = |line: &str| match read("before = \"2h\"\n", line).unwrap().verb {
            Verb::Verify(verify) => verify.before.before.is_some(),
            Verb::Show(show) => show.select.before.before.is_some(),
            _ => panic!("{line}"),
        };
        assert!(before("show latest") && before("verify latest") && before("verify --all --before 1h"));
        assert!(!before("verify --all") && !before("show 20261114T231522Z-8wm2dd"));
    }
}
