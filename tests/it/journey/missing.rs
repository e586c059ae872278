//! What is missing, and what is set but empty: the message names the cause, not its consequences.

use super::scene::{backup, path, small};
use crate::harness::pgstow;
use crate::scene::{Keys, Place, every_client, fetch, fresh};
use pgstow::error::Kind;
use tempfile::TempDir;

#[test]
fn a_settings_file_says_where_to_restore_and_fetch_to() {
    let (cluster, database) = small();
    let (place, home, copy) = (Place::folder(), TempDir::new().unwrap(), fresh("by_file"));
    backup(&place, &["--name", "app", &cluster.url(database)]).succeeds();
    let text = format!("to = \"{}\"\noutput = \"app.dump\"\nneon = \"shiny-wind-1\"\n", cluster.url(&copy));
    let file = home.path().join("pgstow.toml");
    // Named, as it says which file is written.
    let here = |words: &[&str]| place.opens(words).in_folder(home.path()).env("PGSTOW_CONFIG", "pgstow.toml");
    std::fs::write(&file, text.replace("neon = ", "# ")).unwrap();
    here(&["fetch", "latest"]).succeeds();
    assert!(std::fs::read(home.path().join("app.dump")).unwrap().starts_with(b"PGDMP"));
    here(&["restore", "latest"]).succeeds();
    assert!(cluster.has_database(&copy));
    cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    // What writes files or rows is taken from a file that was named only.
    for key in ["output", "into", "truncate", "keygen_paper", "scratch"] {
        let setting = if key == "truncate" { "true" } else { "\"x\"" };
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("pgstow.toml"), format!("{key} = {setting}\n")).unwrap();
        let run = place.opens(&["fetch", "latest", "-o", "-"]).in_folder(folder.path());
        run.fails(Kind::Settings).says("only if it is named");
    }
    // So does a project of Neon's: what is about it may be typed.
    std::fs::write(&file, text).unwrap();
    here(&["restore", "latest", "--neon-branch", "b"]).fails(Kind::Settings).says("no key to Neon's API");

    place.opens(&["restore", "latest"]).fails(Kind::Usage).says("no database to restore into was given");
    place.opens(&["fetch", "latest"]).fails(Kind::Usage).says("no output file was given");
    let keep = here(&["restore", "latest", "--on-error", "keep"]).env("NEON_API_KEY", "k").fails(Kind::Usage);
    keep.says("--on-error keep cannot be combined with --swap or --neon");
    let mistyped = place.opens(&["restore", "latest", "--tables", "t"]).fails(Kind::Usage);
    assert!(!mistyped.stderr.contains("as a value"), "{mistyped}");
    place
        .opens(&["restore", "latest", "--to", "x", "--keep-old", "1"])
        .fails(Kind::Usage)
        .says("--keep-old needs --swap");
    let swap = |words: &[&str]| {
        place
            .opens(&["restore", "latest", "--swap", "--yes", "--to", "dbname=x"])
            .args(words)
            .fails(Kind::Usage)
    };
    swap(&["--schema-only"]).says("definitions without rows take no database's place");
    swap(&["--table", "t"]).says("some tables alone take no database's place");
    for flag in ["--exclude-table", "--exclude-table-data"] {
        swap(&[flag, "t", "--keep-old", "0"])
            .says(&format!("the only database that has what {flag} leaves out"));
    }
    place
        .opens(&["restore", "latest", "--to", "x", "--truncate"])
        .fails(Kind::Usage)
        .says("--truncate needs --into");
    let alone = place.opens(&["restore", "latest", "--to", "x", "--neon-branch", "b"]);
    alone.fails(Kind::Usage).says("--neon-branch needs a Neon project, and none was given");
}

/// In CI, a secret that does not exist looks like that.
#[test]
fn what_is_set_but_empty_is_said_to_be() {
    let (place, keys) = (Place::folder(), Keys::shared());
    let empty = |words: &[&str], name: &str| place.pgstow(words).env(name, "");
    let says = |words: &[&str], name: &str, kind: Kind| {
        empty(words, name).fails(kind).says(&format!("{name} is set, but empty"))
    };
    says(&["backup", "-r", &keys.recipient], "DATABASE_URL", Kind::Usage);
    says(&["backup", "app"], "PGSTOW_RECIPIENTS", Kind::Usage);
    says(&["restore", "latest"], "PGSTOW_TO", Kind::Usage);
    says(&["fetch", "latest"], "PGSTOW_OUTPUT", Kind::Usage);
    says(&["swap", "--back"], "PGSTOW_TO", Kind::Usage);
    says(&["restore", "latest", "--neon", "p"], "NEON_API_KEY", Kind::Settings);
    for words in [&["backup", "", "-r", &keys.recipient][..], &["clone", "", "b"]] {
        place.pgstow(words).fails(Kind::Usage).says("the connection string is empty");
    }
    for verb in ["restore", "verify", "show", "fetch"] {
        let run = place.opens(&[verb, "", "--name", "app"]);
        let run = if verb == "restore" { run.args(["--to", "x"]) } else { run };
        let run = if verb == "fetch" { run.args(["-o", "-"]) } else { run };
        run.fails(Kind::Usage).says("the id of the backup is empty").says("an unset variable");
    }
    for store in ["s3://bucket", "b2://bucket?region=us-west-004"] {
        let list =
            pgstow(["list", "--store", store]).env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
        let refused = list.fails(Kind::Settings);
        refused.says("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set, but empty");
    }
    // What is only left out for it is warned of.
    let stored = empty(&["backup", "--stdin", "--name", "s", "-r", &keys.recipient], "PGSTOW_SIGNING_KEY");
    stored.stdin("bytes").succeeds().says("PGSTOW_SIGNING_KEY is set, but empty: nothing is signed");
    let unsigned = "warning: PGSTOW_VERIFY_KEY is set, but empty: no signature is checked";
    empty(&["list"], "PGSTOW_VERIFY_KEY").succeeds().says(unsigned);
    // The files to copy set many for everybody.
    for name in ["PGSTOW_WEBHOOK", "PGSTOW_PUSH_GATEWAY", "PGSTOW_NAME", "PGSTOW_TIMEOUT"] {
        let run = empty(&["status", "--max-age", "9999d"], name).succeeds();
        assert!(!run.stderr.contains("empty"), "{run}");
        empty(&["status", "--max-age", "9999d", "-v"], name).succeeds().says(name);
    }
    let typed = empty(&["list", "--name", "s"], "PGSTOW_NAME").succeeds();
    assert!(!typed.stderr.contains("PGSTOW_NAME"), "{typed}");
    // An unmasked copy is worse than none.
    for name in ["PGSTOW_AFTER", "PGSTOW_AFTER_SQL"] {
        let refused = format!("{name} is set, but empty: the script is empty");
        let run = empty(&["restore", "latest", "--to", "dbname=x"], name).fails(Kind::Usage).says(&refused);
        let run = run.says("if nothing is to be run, leave it out, or unset the variable");
        assert!(!run.stderr.contains("warning"), "{run}");
        empty(&["clone", "dbname=x", "y"], name).fails(Kind::Usage).says(&refused);
    }
    // Neither is one that is masked by half, nor a proof without the check that was wanted.
    let restore = place.opens(&["restore", "latest", "--to", "dbname=x"]).env("PGSTOW_AFTER_SQL", " \n");
    let run = restore.env("PGSTOW_AFTER", "/dev/null").fails(Kind::Usage);
    run.says("PGSTOW_AFTER_SQL is set, but empty: the script is empty");
    let typed =
        empty(&["restore", "latest", "--to", "dbname=x", "--after-sql", "SELECT 1"], "PGSTOW_AFTER_SQL");
    typed.fails(Kind::Settings).says("no key was given");
    let trial = ["verify", "latest", "--restore"];
    let check = place.opens(&trial).env("PGSTOW_CHECK", "").fails(Kind::Usage);
    check.says("PGSTOW_CHECK is set, but empty");
    place.opens(&trial[..2]).env("PGSTOW_CHECK", "").succeeds();
    empty(&["fetch", "latest", "-o", "-"], "PGSTOW_IDENTITY")
        .fails(Kind::Settings)
        .says("PGSTOW_IDENTITY is set");
}

#[test]
fn words_in_the_wrong_place_are_told_where_they_belong() {
    let place = Place::folder();
    let backup = ["backup", "--stdin", "--name", "app", "-r", &Keys::shared().recipient];
    place.pgstow(&backup).stdin("bytes").succeeds();
    let url = "postgres://u:there-s3cret@h/new";
    for words in [["restore", "latest", url], ["restore", url, "latest"]] {
        let run = place.opens(&words).fails(Kind::Usage);
        assert!(!run.stderr.contains("there-s3cret"), "{run}");
    }
    let run = place.opens(&["restore", "latest", url]).fails(Kind::Usage);
    run.says("'postgres://u:…@h/new'").says("tip: the database to restore into is named with --to");
    let run = place.pgstow(&["show", "app"]).fails(Kind::NotFound);
    run.says("there is no backup \"app\"").says("latest --name app");
}

#[test]
fn where_nothing_is_the_folder_is_named_that_was_looked_in() {
    let place = Place::folder();
    let backup = ["backup", "--stdin", "--name", "portal/users", "-r", &Keys::shared().recipient];
    place.pgstow(&backup).stdin("bytes").succeeds();
    let none = place.pgstow(&["list", "portal"]).fails(Kind::NotFound).says("has none in portal/");
    none.says(&place.url()).says("there are backups of portal/users");
    // One level too deep in the store, and two.
    let deep = format!("{}/portal/users", place.url());
    for words in [&["list"][..], &["list", "users"], &["show", "latest"]] {
        let run = pgstow(words).args(["--store", &deep]).fails(Kind::NotFound);
        run.says("the folder of one name's backups").says(&format!("the store is {}/portal", place.url()));
    }
    let empty = TempDir::new().unwrap();
    let listed = pgstow(["list", "--store", &format!("file://{}", path(empty.path()))]).succeeds();
    listed.says(&format!("no backups yet in file://{}", path(empty.path())));
}

#[test]
fn tables_with_any_name_can_be_picked() {
    let (cluster, _) = small();
    let place = Place::folder();
    let database = fresh("eucjp");
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'EUC_JP' LOCALE 'C'"),
    );
    cluster.psql(&database, "SET client_encoding = 'UTF8'; CREATE TABLE 顧客 AS SELECT 7 AS n; CREATE TABLE \"a\nb\" AS SELECT 8 AS n; CREATE TABLE c (n int)");
    backup(&place, &["--name", "jp", &cluster.url(&database)]).succeeds();
    let csv = |table: &str| fetch(&place, &["latest", "--format", "csv", "--table", table]);
    assert_eq!(csv("顧客"), b"n\n7\n");
    assert_eq!(csv("public.顧?"), b"n\n7\n");
    assert_eq!(csv("\"a\nb\""), b"n\n8\n");
    // The same on the way there; unquoted, a line break separates.
    let some = place.pgstow(&[
        "backup",
        "--json",
        "--name",
        "some",
        "-r",
        &Keys::shared().recipient,
        &cluster.url(&database),
    ]);
    let some = some.env("PGSTOW_TABLES", "\"a\nb\"\nc").env("PATH", every_client()).succeeds();
    assert_eq!(some.json()["tables"], 2);
    place.opens(&["fetch", "latest", "--name", "jp", "-o", "-", "--table", "客顧"]).fails(Kind::NotFound);
    cluster.psql("postgres", &format!("DROP DATABASE {database}"));
}
