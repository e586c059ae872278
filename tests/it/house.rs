//! The house rules that a compiler does not check: who may see whom, and who may touch the outside world.

use crate::harness::repository;
use std::path::Path;

/// Rooms that know nothing of each other: bytes, databases and buckets meet only in `commands/`.
const LEAVES: [&str; 6] = ["archive", "neon", "pipeline", "postgres", "script", "store"];

/// The ground floor: what everybody may see.
const GROUND: [&str; 5] = ["error", "layout", "text", "units", "sql"];

/// Every source file but unit tests with its path below `src/` and its lines up to its unit tests, without comments.
fn sources() -> Vec<(String, Vec<String>)> {
    fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                files.push(path);
            }
        }
    }
    let root = repository("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let read = |path: &std::path::PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        (name, lines.map(str::to_owned).collect())
    };
    files.iter().map(read).collect()
}

/// The lines that hold one of these words, in files for which they are not meant.
fn offences(words: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, lines) in sources().iter().filter(|(file, _)| !allowed(file)) {
        let bad = lines.iter().filter(|line| words.iter().any(|word| line.contains(word)));
        found.extend(bad.map(|line| format!("src/{file}: {}", line.trim())));
    }
    found
}

fn assert_none(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

#[test]
fn leaves_see_only_the_ground_floor_and_themselves() {
    for (file, lines) in sources() {
        let room = file.split(['/', '.']).next().unwrap();
        if !LEAVES.contains(&room) {
            continue;
        }
        // A `use` may run over several lines and name several modules: look at what follows each `crate::`.
        let code = lines.join(" ");
        for path in code.split("crate::").skip(1) {
            let path = path.trim_start_matches('{').trim_start();
            let module: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(
                GROUND.contains(&&*module) || module == room,
                "src/{file} is a leaf, and sees crate::{module}"
            );
        }
        assert!(
            !code.contains("crate::{"),
            "src/{file}: one `use` per module of the crate, for this test to read"
        );
    }
}

#[test]
fn only_the_command_line_names_clap() {
    assert_none(&offences(&["clap"], |file| file.starts_with("cli/")), "only cli/ may name clap");
}

#[test]
fn only_the_report_prints() {
    let words = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];
    assert_none(&offences(&words, |file| file == "report.rs"), "only report.rs may print");
}

#[test]
fn only_the_settings_read_the_environment() {
    let words = ["env::var(", "env::var_os(", "env::vars(", "env::home_dir(", "env::args"];
    let allowed = |file: &str| file.starts_with("settings/") || file == "main.rs";
    assert_none(&offences(&words, allowed), "only settings/ may read the environment");
}

#[test]
fn every_file_says_what_it_is_for() {
    for entry in sources() {
        let text = std::fs::read_to_string(repository("src").join(&entry.0)).unwrap();
        assert!(text.starts_with("//!"), "src/{} does not open with its purpose", entry.0);
    }
}
