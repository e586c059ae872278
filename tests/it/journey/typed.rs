//! What was typed comes before variables, also if one excludes the other; and a variable that says no says nothing else.
//!
//! The store is empty: whoever finds no backup in it has understood its words.

use crate::harness::{Pgstow, pgstow};
use crate::scene::{Keys, Place, every_client};
use pgstow::error::Kind;
use tempfile::TempDir;

fn with(place: &Place, variables: &[(&str, &str)], line: &str) -> Pgstow {
    let words: Vec<&str> = line.split(' ').collect();
    variables.iter().fold(place.opens(&words), |command, (name, value)| command.env(name, value))
}

#[test]
fn what_was_typed_comes_before_variables_that_exclude_it() {
    let place = Place::folder();
    let understood = |variables: &[(&str, &str)], line: &str| {
        with(&place, variables, line).fails(Kind::NotFound).says("holds no backup");
    };
    let into = "restore latest --into dbname=x --table t";
    understood(&[("PGSTOW_TO", "dbname=y")], into);
    understood(&[("PGSTOW_NEON", "p"), ("PGSTOW_NEON_ROLE", "r")], into);
    understood(&[("PGSTOW_SWAP", "true"), ("PGSTOW_KEEP_OLD", "2"), ("PGSTOW_TO", "dbname=y")], into);
    let variables = [("PGSTOW_INTO", "dbname=y"), ("PGSTOW_TRUNCATE", "1")];
    understood(&variables, "restore latest --to dbname=x");
    understood(&variables, "restore latest -- true");
    understood(&[("PGSTOW_TO", "dbname=y"), ("PGSTOW_SWAP", "1")], "restore latest -- true");
    understood(&[("PGSTOW_NO_OWNER", "1")], "restore latest --to dbname=x --owner r");
    understood(&[("PGSTOW_OWNER", "r")], "restore latest --to dbname=x --no-owner");
    understood(&[("PGSTOW_VERIFY_QUICK", "1")], "verify latest --restore");
    let trial = [("PGSTOW_VERIFY_RESTORE", "1"), ("PGSTOW_CHECK", "SELECT true"), ("PGSTOW_RECORD", "1")];
    understood(&trial, "verify latest --quick");
    understood(&[("PGSTOW_CREATE_TABLES", "1")], &format!("{into} --truncate"));
    understood(&[("PGSTOW_SWAP", "1")], "restore latest --to dbname=x --table t");
    understood(
        &[("PGSTOW_ON_ERROR", "keep"), ("PGSTOW_SCHEMA_ONLY", "1")],
        "restore latest --to dbname=x --swap",
    );
    understood(&[("PGSTOW_OLDER_THAN", "9d")], "verify --newer-than 2d");

    let refused = |variables: &[(&str, &str)], line: &str, why: &str| {
        with(&place, variables, line).fails(Kind::Usage).says(why);
    };
    refused(&[], &format!("{into} --to dbname=y"), "--to and --into contradict each other");
    refused(&[], &format!("{into} --swap"), "--swap and --into contradict each other");
    refused(&[], &format!("{into} -- true"), "--into and a command contradict each other");
    refused(&[("PGSTOW_TO", "x"), ("PGSTOW_INTO", "y"), ("PGSTOW_TABLE", "t")], "restore latest", "--into");
    refused(&[("PGSTOW_TRUNCATE", "1")], "restore latest --to dbname=x", "--truncate needs --into");
    // A variable does not hide what was typed.
    refused(&[("PGSTOW_NAME", "app")], "list st --name app", "two names were given");
    refused(&[("PGSTOW_JOBS", "2")], "verify latest --jobs 4", "--jobs is for a trial restore");
    refused(&[], "verify latest --exclude-extension x", "--exclude-extension is for a trial restore");
    refused(&[], "verify latest --search-path x", "--search-path is for a trial restore");
    refused(&[], "verify latest --pg-bin /nope", "--pg-bin is for a trial restore");
    refused(&[], "verify --newer-than 2d --older-than 9d", "--older-than and --newer-than contradict");
    refused(&[], &format!("{into} --truncate --create-tables"), "--truncate and --create-tables contradict");
    // Who reads of a flag that nobody typed learns where it comes from.
    refused(
        &[("PGSTOW_TRUNCATE", "1")],
        "restore latest --to dbname=x",
        "--truncate comes from PGSTOW_TRUNCATE",
    );
    refused(&[("PGSTOW_TABLE", "")], "restore latest --into dbname=x", "--into needs --table");
    with(&place, &[("PGSTOW_NAME", "apq")], "list")
        .fails(Kind::NotFound)
        .says("--name comes from PGSTOW_NAME");
    refused(&[("PGSTOW_NAME", "a//b")], "list", "--name comes from PGSTOW_NAME");
    // A connection string at the wrong place keeps its password.
    let url = "postgres://u:hunter22@h.a.b/db";
    for line in ["list --name", "restore latest --to x --table", "fetch latest -o - --ca-file"] {
        let line = format!("{line} {url}");
        let run = with(&place, &[], &line).run();
        assert!(run.stderr.contains("postgres://u:…@h.a.b/db") && !run.stderr.contains("hunter22"), "{run}");
    }
    refused(&[("PGSTOW_READERS", "2")], "backup --readers 2 --name s -- true", "--readers and a stream");
}

#[test]
fn one_of_back_and_with_is_needed_whoever_says_it() {
    let swap = |variable: (&str, &str), words: &[&str]| {
        // At this port nobody answers.
        let swap = pgstow(["swap", "--yes", "--to", "postgres://127.0.0.1:1/x"]).env("PATH", every_client());
        swap.args(words).env(variable.0, variable.1)
    };
    let none = swap(("PGSTOW_SWAP_BACK", "false"), &[]).fails(Kind::Usage);
    none.says("no database was given that gets the name");
    swap(("PGSTOW_SWAP_WITH", ""), &[]).fails(Kind::Usage).says("PGSTOW_SWAP_WITH is set, but empty");
    let both = swap(("PGSTOW_SWAP_BACK", "1"), &[]).env("PGSTOW_SWAP_WITH", "y").fails(Kind::Usage);
    both.says("--back and --with contradict each other");
    for (variable, words) in [
        (("PGSTOW_SWAP_WITH", "y"), &["--back"][..]),
        (("PGSTOW_SWAP_BACK", "1"), &["--with", "y"]),
        (("PGSTOW_SWAP_BACK", "false"), &["--with", "y"]),
        (("PGSTOW_SWAP_WITH", "y"), &[]),
    ] {
        swap(variable, words).fails(Kind::Postgres);
    }
}

#[test]
fn a_stream_that_was_typed_comes_before_what_is_said_of_databases() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let backup = |text: &str, words: &[&str]| {
        std::fs::write(home.path().join("my.toml"), text).unwrap();
        let command = place.pgstow(&["backup", "--config", "my.toml", "-r", &Keys::shared().recipient]);
        command.args(["--name", "st"]).args(words).in_folder(home.path())
    };
    let echo = ["--", "echo", "hi"];
    for text in ["neon = \"p\"\nneon_role = \"r\"\n", "exclude = [\"x\"]\n", "all_databases = true\n"] {
        backup(text, &echo).succeeds();
        backup(text, &["--stdin"]).stdin("bytes").succeeds();
    }
    for (name, value) in [("PGSTOW_NEON", "p"), ("PGSTOW_ALL_DATABASES", "1"), ("PGSTOW_STDIN", "true")] {
        backup("", &echo).env(name, value).succeeds();
    }
    // It must not be stored.
    let whole = backup("exclude_table_data = \"log\"\n", &echo).fails(Kind::Usage);
    whole.says("--exclude-table-data and a stream contradict each other");
    backup("", &["--stdin", "--", "true"]).fails(Kind::Usage).says("--stdin and a command contradict");
}

/// In Kubernetes a flag that is off is such a variable.
#[test]
fn a_variable_that_says_no_is_no_flag() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let off = |name: &'static str, line: &str| {
        with(&place, &[(name, "false")], line).fails(Kind::NotFound).says("holds no backup");
    };
    off("PGSTOW_TRUNCATE", "restore latest --to dbname=x");
    off("PGSTOW_SHOW_PASSWORD", "restore latest --to dbname=x");
    off("PGSTOW_NO_OWNER", "restore latest --into dbname=x --table t");
    off("PGSTOW_SWAP", "restore latest --into dbname=x --table t");
    off("PGSTOW_SWAP", "restore latest -- true");
    // What the file says about it goes with it; what the environment says does not.
    let trial = "verify_restore = true\ncheck = \"SELECT true\"\nverify_to = \"dbname=x\"\nrecord = true\n";
    std::fs::write(home.path().join("my.toml"), trial).unwrap();
    let verify = || with(&place, &[("PGSTOW_VERIFY_RESTORE", "false")], "verify latest --config my.toml");
    verify().in_folder(home.path()).fails(Kind::NotFound).says("holds no backup");
    let run = verify().in_folder(home.path()).env("PGSTOW_CHECK", "SELECT 1").fails(Kind::Usage);
    run.says("--check are for a trial restore").says("--check comes from PGSTOW_CHECK");
    std::fs::write(home.path().join("my.toml"), "all_databases = true\nexclude = [\"x\"]\n").unwrap();
    let words =
        ["backup", "--config", "my.toml", "-r", &Keys::shared().recipient, "postgres://127.0.0.1:1/x"];
    let one = place.pgstow(&words).in_folder(home.path()).env("PATH", every_client());
    one.env("PGSTOW_ALL_DATABASES", "no").fails(Kind::Postgres);
    let recipients = format!("recipients = [\"{}\"]\n", Keys::shared().recipient);
    std::fs::write(home.path().join("pgstow.toml"), recipients).unwrap();
    let backup = place.pgstow(&["backup", "--name", "s", "--", "true"]).in_folder(home.path());
    let run = backup.env("PGSTOW_ASK_PASSPHRASE", "false").env("PGSTOW_VIA_BRANCH", "false").succeeds();
    assert!(!run.stderr.contains("does not count"), "{run}");
}

/// What comes from a file has one.
#[test]
fn a_line_break_at_the_end_of_a_variable_is_not_part_of_it() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let key = Keys::shared().file(home.path());
    let file = |name: &str| format!("{}\n", home.path().join(name).display());
    let backup = place.pgstow(&["backup", "--stdin", "-r", &Keys::shared().recipient]).stdin("bytes");
    let backup = backup.env("PGSTOW_NAME", "app\r\n").env("PGSTOW_COMPRESSION_LEVEL", "1\n");
    backup.env("PGSTOW_METRICS_FILE", file("m.prom")).env("PGSTOW_NOTIFY", "always\n").succeeds();
    let fetch =
        place.pgstow(&["fetch", "latest"]).env("PGSTOW_IDENTITY_FILE", format!("{}\n", key.display()));
    fetch.env("PGSTOW_OUTPUT", file("out")).env("PGSTOW_VERBOSE", "true\n").succeeds();
    for name in ["m.prom", "out"] {
        assert!(home.path().join(name).is_file(), "{name}");
    }
    // Within a value it is one, and the variable is named all the same.
    let two = place.pgstow(&["list"]).env("PGSTOW_TIMEOUT", "1s\nor more").fails(Kind::Usage);
    two.says("for PGSTOW_TIMEOUT (--timeout <DURATION>)");
    let jobs = place.pgstow(&["verify", "--all"]).env("PGSTOW_JOBS", "many").fails(Kind::Usage);
    jobs.says("for PGSTOW_JOBS (--jobs <N>): \"many\" is not a whole number from 1 to 64");
}

#[test]
fn a_flag_that_is_typed_with_nothing_is_refused() {
    let place = Place::folder();
    for (verb, flags) in [
        ("backup postgres://h/x", &["--exclude-table", "--exclude-table-data", "--exclude", "--schema"][..]),
        (
            "restore latest --to dbname=x",
            &["--owner", "--exclude-table", "--exclude-extension", "--grant-all"],
        ),
        ("verify latest --restore", &["--exclude-extension", "--check", "--search-path"]),
        ("copy latest --to file:///x", &["--from"]),
    ] {
        for flag in flags {
            for nothing in ["", " "] {
                let run = with(&place, &[], verb).args([flag, nothing]).fails(Kind::Usage);
                run.says(&format!("{flag} is empty")).says("an unset variable");
            }
        }
    }
    // An alarm that cannot be sent is no reason not to back up, and a command is nobody else's.
    let backup = place.pgstow(&["backup", "-r", &Keys::shared().recipient, "--name", "s", "--webhook", ""]);
    backup.args(["--", "printf", ""]).succeeds();
}

#[test]
fn a_whole_id_or_a_name_that_is_typed_is_enough() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    std::fs::write(home.path().join("pgstow.toml"), "name = [\"app\", \"st\"]\njobs = [1, 2]\n").unwrap();
    let run = |line: &str| with(&place, &[], line).in_folder(home.path());
    let line = format!("backup --name other --json -r {} -- true", Keys::shared().recipient);
    let stored = place.pgstow(&line.split(' ').collect::<Vec<_>>()).succeeds().json();
    let id = stored["id"].as_str().unwrap();
    run("keys other").succeeds();
    run(&format!("show {id}")).succeeds();
    run(&format!("fetch {id} -o -")).succeeds();
    run("show latest").fails(Kind::Settings).says("\"name\" has 2 values, and show takes one");
    run("config check").fails(Kind::Settings).says("jobs: it has 2 values, and takes one");
}
