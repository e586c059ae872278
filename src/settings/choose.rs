//! Decides between settings that exclude each other: what was typed comes before a variable, and that before the
//! settings file.

use crate::cli::{BackupWords, CopyWords, RestoreWords, ScheduleWords, Verb, VerifyWords, Words};
use crate::error::{Error, Result};

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
    let Words { verb, given, typed, .. } = words;
    let by = |key: &str| match () {
        () if typed.contains(key) => By::CommandLine,
        () if given.contains(key) => By::Variable,
        () => By::File,
    };
    match verb {
        Verb::Backup(backup) => choose_source(backup, by)?,
        Verb::Doctor(doctor) => choose_source(&mut doctor.backup, by)?,
        Verb::Restore(restore) => choose_target(restore, by)?,
        Verb::Verify(verify) => choose_verified(verify, by)?,
        Verb::Copy(copy) => choose_copied(copy, by)?,
        Verb::Rekey(rekey) => rekey.all &= rekey.id.is_none() || by("rekey_all") == By::CommandLine,
        Verb::Swap(swap) if swap.back && by("swap_back") >= by("swap_with") => swap.with = None,
        Verb::Schedule(schedule) => choose_moments(schedule, by),
        _ => return Ok(()),
    }
    let neon = match verb {
        Verb::Backup(backup) => &backup.neon.neon,
        Verb::Restore(restore) => &restore.neon.neon,
        _ => return Ok(()),
    };
    if neon.is_none() && given.contains("neon") {
        // What variables say about the project that was left out is left out with it.
        given.retain(|key| typed.contains(key) || ABOUT_NEON.iter().all(|(about, _)| about != key));
    }
    Ok(())
}

/// DATABASE_URL is the application's: a project that is named comes before it, but not before a URL that was typed.
fn choose_source(backup: &mut BackupWords, by: impl Fn(&str) -> By) -> Result<()> {
    if backup.url.is_some() && by("database_url") == By::CommandLine {
        let left_out = backup.neon.neon.take();
        if left_out.is_some() && by("neon") == By::CommandLine {
            return Err(Error::usage("a URL and --neon contradict each other").hint("leave one of them out"));
        }
    }
    Ok(())
}

fn choose_target(restore: &mut RestoreWords, by: impl Fn(&str) -> By) -> Result<()> {
    if !restore.command.is_empty() {
        restore.into = None;
        return Ok(());
    }
    let to = restore.to.as_ref().map(|_| by("to"));
    let into = restore.into.as_ref().map(|_| by("into"));
    let neon = restore.neon.neon.as_ref().map(|_| by("neon"));
    let strongest = to.max(into).max(neon);
    restore.to.take_if(|_| to < strongest);
    restore.into.take_if(|_| into < strongest);
    restore.neon.neon.take_if(|_| neon < strongest);
    let (to, into, neon) = (restore.to.is_some(), restore.into.is_some(), restore.neon.neon.is_some());
    match (to, into, neon) {
        // A branch of its own harms nothing, so a project comes before a URL if nobody typed it.
        (true, false, true) if strongest < Some(By::CommandLine) => Ok(()),
        (true, false, true) => Err(contradiction("--to", "--neon")),
        (true, true, _) => Err(contradiction("--to", "--into")),
        (_, true, true) => Err(contradiction("--into", "--neon")),
        _ => Ok(()),
    }
}

fn choose_verified(verify: &mut VerifyWords, by: impl Fn(&str) -> By) -> Result<()> {
    let id = verify.id.as_ref().map(|_| By::CommandLine);
    let all = verify.all.then(|| by("verify_all"));
    let newest = verify.newest_per_name.then(|| by("newest_per_name"));
    let older = verify.older_than.map(|_| by("older_than"));
    let newer = verify.newer_than.map(|_| by("newer_than"));
    let strongest = id.max(all).max(newest).max(older).max(newer);
    verify.all &= all == strongest;
    verify.newest_per_name &= newest == strongest;
    verify.older_than.take_if(|_| older < strongest);
    verify.newer_than.take_if(|_| newer < strongest);
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
        assert_eq!(neon(file, "backup --name x -- true"), Ok(Some("p".into())), "it is left to others");
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
        let Verb::Swap(swap) = read("swap_with = \"r\"", "swap --to x --back").unwrap().verb else {
            panic!()
        };
        assert_eq!((swap.back, swap.with), (true, None));
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
        for line in ["status", "prune", "backup --name x", "list x"] {
            read(file, line).unwrap();
        }
        for line in ["backup", "verify --all", "list"] {
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
}
