//! The deploy files and the README: each is what it says it is, and every `pgstow` line in them is one
//! that the real command line takes.

mod bare;
mod empty;
mod github;
mod grafana;
mod helm;
mod kubernetes;
mod policies;
mod release;
mod root;
mod runner;
mod steps;

use pgstow::cli::{self, Parsed};
use serde_yaml_ng::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&text(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn get<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('/').fold(value, |value, step| match step.parse::<usize>() {
        Ok(index) => &value[index],
        Err(_) => &value[step],
    })
}

/// Takes a line's words as the command line would, and a placeholder for what only exists at run time.
fn must_parse(words: Vec<String>) {
    match cli::parse(words.iter().map(Into::into).collect(), &|_| Vec::new(), &|_| None) {
        Parsed::Words(_) | Parsed::Help(_) => {}
        Parsed::Refused(why) => panic!("{words:?}: {}", why.text),
    }
}

/// The `pgstow …` commands in a shell text: pipes, redirections, substitutions and comments left out.
fn pgstow_lines(text: &str) -> Vec<Vec<String>> {
    // A line that goes on is one, and what it is indented by no end of the command.
    let joined: String = text.split("\\\n").map(str::trim_start).collect();
    let commands = joined.lines().filter_map(|line| {
        let line = line.trim_start_matches("$ ").trim();
        let start = line.find("pgstow ").filter(|at| {
            let before = &line[..*at];
            before.is_empty()
                || before == "exec "
                || before.ends_with(' ') && (before.contains("&&") || before.starts_with("run:"))
        })?;
        let command = line[start..].split(" | ").next().unwrap_or_default();
        let command = command.split(" > ").next().unwrap_or_default();
        let command = command.split(" #").next().unwrap_or_default().split("  ").next().unwrap_or_default();
        Some(command.replace("${{ ", "").replace(" }}", ""))
    });
    commands.map(|command| words(&command)).collect()
}

/// A command's words, without the quotes of those that have them.
fn words(command: &str) -> Vec<String> {
    let mut quote = None;
    let parts = command.split(|c: char| {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            _ => {}
        }
        quote.is_none() && c.is_whitespace()
    });
    let bare = parts.map(|word| word.trim_matches(['\'', '"', '`']).to_owned());
    bare.filter(|word| !word.is_empty()).collect()
}

#[test]
fn cron_and_systemd_run_what_there_is() {
    let lines = pgstow_lines(&text("deploy/cron/pgstow.cron"));
    assert_eq!(lines.len(), 4, "a backup, a trial restore, a prune and the status: {lines:?}");
    lines.into_iter().for_each(must_parse);
    let service = text("deploy/systemd/pgstow-backup.service");
    let start = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
    must_parse(words(start));
    let others = text("deploy/systemd/pgstow@.service");
    let start = others.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
    let page = text("docs/start/systemd.md");
    for verb in ["prune", "verify", "status"] {
        must_parse(words(&start.replace("%i", verb)));
        let env =
            page.split(&format!("# /etc/pgstow/{verb}.env\n")).nth(1).unwrap().split("```").next().unwrap();
        pgstow_variables(env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name));
    }
    systemd_reads();

    let env = text("deploy/cron/pgstow.env");
    let settings: Vec<(&str, &str)> = env
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once("='").map(|(name, value)| (name, value.trim_end_matches('\''))).unwrap())
        .collect();
    pgstow_variables(settings.iter().map(|(name, _)| *name));
    store_url(settings.iter().find(|(name, _)| *name == "PGSTOW_STORE").unwrap().1);
}

/// systemd finds nothing to complain about in the units, once the program is there.
fn systemd_reads() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        crate::harness::note_skipped("there is no systemd-analyze, which reads the units");
        return;
    }
    let folder = TempDir::new().unwrap();
    let names = crate::scene::files_below(&at("deploy/systemd"));
    let units: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
    assert_eq!(units.len(), 6, "{units:?}");
    for (unit, name) in units.iter().zip(&names) {
        let unit_text = std::fs::read_to_string(at("deploy/systemd").join(name)).unwrap();
        std::fs::write(unit, unit_text.replace("/usr/local/bin/pgstow", env!("CARGO_BIN_EXE_pgstow")))
            .unwrap();
    }
    // A template is read as one of its instances, which the timers start.
    let units = units.into_iter().filter(|unit| !unit.ends_with("pgstow@.service"));
    let read = Command::new("systemd-analyze").arg("verify").args(units).output().unwrap();
    assert_eq!((String::from_utf8_lossy(&read.stderr).trim(), read.status.success()), ("", true));
}

/// Cargo wants every file that Cargo.toml names, even where it is not built.
#[test]
fn the_image_is_built_from_all_that_cargo_asks_for() {
    let (manifest, dockerfile, ignore) =
        (text("Cargo.toml"), text("deploy/cronjob/Dockerfile"), text(".dockerignore"));
    assert!(manifest.contains("[[bench]]"));
    for folder in ["src", "benches"] {
        assert!(dockerfile.contains(&format!("\nCOPY {folder} {folder}\n")), "{folder}");
        assert!(ignore.contains(&format!("\n!{folder}\n")), "{folder}");
    }
}

/// A deploy file must not be usable before its owner has put in their own recipient.
#[test]
fn nobody_encrypts_to_a_placeholder() {
    for path in [
        "deploy/github-actions/nightly-backup.yml",
        "deploy/github-actions/backup-before-migrate.yml",
        "deploy/cronjob/base/cronjob.yaml",
        "deploy/cron/pgstow.env",
    ] {
        let text = text(path);
        let mut words = text.split(|c: char| c.is_whitespace() || c == '\'');
        let recipient = words.find(|word| word.starts_with("age1")).unwrap();
        assert!(recipient.parse::<age::x25519::Recipient>().is_err(), "{path}");
    }
}

#[test]
fn every_command_in_the_readme_and_the_docs_is_taken() {
    let docs = crate::scene::files_below(&at("docs")).into_iter().map(|file| at("docs").join(file));
    for path in docs.chain([at("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("run: pgstow "), "{}: a cancelled job tells its shell only", path.display());
        let blocks =
            text.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap_or_default().1);
        let blocks: Vec<&str> = blocks.collect();
        let bare =
            |word: &&str| word.contains("://") && word.contains(['?', '&']) && !word.contains(['\'', '"']);
        for line in blocks.iter().flat_map(|block| block.lines()).filter(|line| line.contains("pgstow ")) {
            // zsh takes a ? for a pattern, and every shell an & for the end of the command.
            assert_eq!(line.split_whitespace().find(bare), None, "{}: not in quotes", path.display());
            // Amazon's own is not found without one.
            let nowhere = |word: &&str| {
                word.contains("s3://") && !word.contains("region=") && !word.contains("endpoint=")
            };
            assert_eq!(line.split_whitespace().find(nowhere), None, "{}: no region", path.display());
        }
        let lines: Vec<Vec<String>> = blocks.into_iter().flat_map(pgstow_lines).collect();
        assert!(lines.len() >= 7 || path != at("README.md"), "{lines:?}");
        lines.into_iter().for_each(must_parse);
    }
}

#[test]
fn the_readme_lists_every_exit_code() {
    let readme = text("README.md");
    for kind in pgstow::error::Kind::ALL {
        let row = format!("| {} | {} |", kind.exit_code(), kind.meaning());
        assert!(readme.contains(&row), "the README lacks {row:?}");
    }
}

#[test]
fn the_readme_shows_the_line_that_opens_a_backup_without_us() {
    assert!(text("README.md").contains("| age -d -i key.txt | zstd -d | pg_restore -d"));
}

fn pgstow_variables<'a>(names: impl Iterator<Item = &'a str>) {
    let known = cli::keys();
    for name in names.filter_map(|name| name.strip_prefix("PGSTOW_")) {
        assert!(known.contains(&name.to_ascii_lowercase()), "PGSTOW_{name} is not a setting");
    }
}

fn store_url(url: &str) {
    url.parse::<pgstow::store::StoreUrl>().unwrap_or_else(|e| panic!("{url}: {e}"));
}
