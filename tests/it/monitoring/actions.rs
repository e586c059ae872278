//! A step of GitHub Actions: what everyone can read, what is hidden, and what the runner gets.

use super::{backup, backup_of, clinic, new_clinic};
use crate::harness::{Pgstow, Run, pgstow};
use crate::scene::{Place, fresh};
use crate::servers::inbox::Inbox;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::path::PathBuf;
use tempfile::TempDir;

/// What must not be said in public.
const CONTENT: [&str; 3] = ["patients", "4,321", "4321"];

/// A step's files.
struct Step {
    folder: TempDir,
}

impl Step {
    /// A step of a workflow in a repository that is private, public, or unknown.
    fn of(private: Option<bool>) -> Step {
        let folder = TempDir::new().unwrap();
        let repository = private.map(|private| serde_json::json!({ "private": private }));
        let event = serde_json::json!({ "schedule": "17 3 * * *", "repository": repository });
        std::fs::write(folder.path().join("event.json"), event.to_string()).unwrap();
        Step { folder }
    }

    fn summary_file(&self) -> PathBuf {
        self.folder.path().join("summary.md")
    }

    fn runs(&self, run: Pgstow) -> Pgstow {
        run.env("GITHUB_ACTIONS", "true")
            .env("GITHUB_STEP_SUMMARY", self.summary_file())
            .env("GITHUB_EVENT_PATH", self.folder.path().join("event.json"))
    }

    fn summary(&self) -> String {
        std::fs::read_to_string(self.summary_file()).unwrap()
    }
}

/// Everything that everyone can read.
#[track_caller]
fn assert_discreet(step: &Step, run: &Run) {
    let all = format!("{}{}{}", run.stderr, run.text(), step.summary());
    for content in CONTENT {
        // An id or a size may hold these digits by chance.
        let said = all.match_indices(content).any(|(at, _)| {
            let (before, after) = (&all[..at], &all[at + content.len()..]);
            !before.ends_with(|c: char| c.is_alphanumeric() || c == ',')
                && !after.starts_with(char::is_alphanumeric)
        });
        assert!(!said, "{content} is public: {run}\n{}", step.summary());
    }
}

#[test]
fn in_a_public_repository_nothing_is_said_of_the_content() {
    for step in [Step::of(Some(false)), Step::of(None)] {
        let (place, inbox) = (Place::folder(), Inbox::open());
        let (cluster, database) = (Cluster::shared(Major::Distribution), new_clinic());
        let run = step.runs(backup_of(&database, &place)).succeeds();
        assert_discreet(&step, &run);
        assert!(run.stderr.contains("::group::pgstow backup\n"), "{run}");
        assert!(run.stderr.contains("::endgroup::\npgstow backup of app succeeded: "), "{run}");
        assert!(step.summary().contains("| app | ") && step.summary().contains("This repository is public"));

        // A warning that names tables, and a failure that does; a webhook, which is private, hears all of it.
        let url = cluster.url(&database);
        let readable = || place.pgstow(&["backup", "--name", "other", "--no-encryption", &url]);
        readable().succeeds();
        cluster.psql(&database, "TRUNCATE patients");
        let run = step.runs(backup_of(&database, &place)).succeeds();
        let warning = "a warning is not shown, because this repository is public";
        assert_discreet(&step, &run.says(warning).says("::warning title=pgstow::a warning is not shown"));
        let failing = readable().args(["--fail-shrink", "10%"]);
        let run = step.runs(failing).env("PGSTOW_WEBHOOK", &inbox.url).fails(Kind::Verify);
        assert_discreet(&step, &run);
        let run = run.says("::error title=pgstow::does not verify").says("--actions-details shows it");
        assert!(!run.stderr.contains("far less"), "{run}");
        assert!(
            inbox.letters()[0].body.contains("patients: 0 rows instead of 4,321"),
            "{:?}",
            inbox.letters()
        );
    }
}

/// What the server says while a database is filled has names and values in it; it is said once in a run.
#[test]
fn warnings_of_the_server_are_not_public() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let database = cluster.create_database("loud");
    cluster.psql(
        &database,
        "CREATE FUNCTION loud(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
           $$ BEGIN IF current_setting('application_name') LIKE 'pgstow%' THEN RAISE WARNING 'patients: 4321'; END IF; RETURN n; END $$;
         CREATE TABLE t AS SELECT generate_series(1, 3) AS n; CREATE INDEX ON t (loud(n))",
    );
    place.backup(&cluster.url(&database), &[]);
    let restore = || place.opens(&["restore", "latest", "--to", &cluster.url(&fresh("loud"))]);
    let step = Step::of(Some(false));
    let run =
        step.runs(restore()).succeeds().says("a warning is not shown, because this repository is public");
    assert_discreet(&step, &run);
    let run = Step::of(Some(true)).runs(restore()).succeeds();
    assert_eq!(run.stderr.matches("\nwarning: pg_restore: patients: 4321").count(), 1, "{run}");
}

#[test]
fn what_is_wrong_with_the_settings_is_said_in_public_too() {
    let (step, place) = (Step::of(Some(false)), Place::folder());
    let run = step.runs(backup(&place)).env("PGSTOW_STORE", "").fails(Kind::Usage);
    let run = run.says("error: no store was given").says("::error title=pgstow::no store was given");
    assert!(step.summary().contains("failed (exit code 2): no store was given"), "{run}");
    let (cluster, database) = clinic();
    let url = cluster.url(database).replace("sesame", "open-sesame");
    let wrong = place.pgstow(&["backup", "--no-encryption", &url]);
    step.runs(wrong).fails(Kind::Postgres).says("password authentication failed");
}

#[test]
fn in_a_private_repository_or_if_asked_for_everything_is_said() {
    for (step, flags) in [(Step::of(Some(true)), &[][..]), (Step::of(Some(false)), &["--actions-details"])] {
        let (place, database) = (Place::folder(), new_clinic());
        step.runs(backup_of(&database, &place)).args(flags).succeeds().says("4,321 rows");
        let summary = step.summary();
        assert!(summary.contains("| 1 | 4,321 |"), "{summary}");
        Cluster::shared(Major::Distribution).psql(&database, "TRUNCATE patients");
        step.runs(backup_of(&database, &place)).args(flags).succeeds();
        let summary = step.summary().split_off(summary.len());
        assert!(summary.contains("-4,321 rows"), "what changed since the last: {summary}");
    }
    // Nobody speaks to a runner that is not there.
    let run = backup(&Place::folder()).succeeds();
    assert!(!run.stderr.contains("::"), "{run}");
}

#[test]
fn the_runner_hides_what_is_secret() {
    let (step, place) = (Step::of(Some(true)), Place::folder());
    let ping = Inbox::open();
    let url = format!("{}/ping/a-secret-path", ping.url);
    let run = step.runs(backup(&place)).env("PGSTOW_PING_URL", &url).succeeds();
    let lines: Vec<&str> = run.stderr.lines().collect();
    for secret in ["sesame-0c7b1f", &url] {
        let mask = lines.iter().position(|line| *line == format!("::add-mask::{secret}"));
        let first = lines.iter().position(|line| line.contains(secret));
        assert!(mask.is_some() && mask == first, "{secret}: {run}");
        assert_eq!(run.stderr.matches(secret).count(), 1, "{run}");
    }
    let run = step.runs(pgstow(["keygen"])).succeeds();
    let (printed, signing) = (run.text(), step.runs(pgstow(["keygen", "--signing"])).succeeds());
    let secret = printed.lines().last().unwrap();
    assert!(secret.starts_with("AGE-SECRET-KEY-"), "{run}");
    let masks = |run: &Run| -> Vec<String> {
        run.stderr.lines().filter_map(|line| line.strip_prefix("::add-mask::")).map(str::to_owned).collect()
    };
    assert_eq!(masks(&run), [secret]);
    assert_eq!(masks(&signing), [signing.text().lines().last().unwrap()]);

    // In other spellings of a connection it is as secret; as it is meant, and as it was typed.
    for (url, secret) in [
        ("postgres://u@db.example:1/x?password=sesame-0c7b1f", &["db.example", "sesame-0c7b1f"][..]),
        (
            r"host=db.example port=1 password = 'sesame\'0c7b1f'",
            &[r"'sesame\'0c7b1f'", "db.example", "sesame'0c7b1f"],
        ),
    ] {
        let run = step.runs(place.pgstow(&["backup", "--no-encryption", url])).fails(Kind::Postgres);
        assert_eq!(masks(&run), secret, "{run}");
    }

    // Into a file a mask would only write the secret down.
    let file = step.folder.path().join("stderr.txt");
    let shell = format!("exec \"$0\" \"$@\" 2>'{}'", file.display());
    step.runs(backup(&place)).under(["bash", "-c", &shell]).succeeds();
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written.contains("::group::") && !written.contains("sesame"), "{written}");
}

#[test]
fn what_a_server_says_commands_no_runner() {
    let (step, place) = (Step::of(Some(true)), Place::folder());
    let cluster = Cluster::shared(Major::Distribution);
    let (database, role) = (cluster.create_database("commanding"), fresh("nosy"));
    cluster.psql(&database, r#"CREATE TABLE U&"a\000A::stop-commands::x\000A  ##[error]b" (n int)"#);
    cluster.psql(&database, &format!("CREATE ROLE {role} LOGIN PASSWORD 'p'"));
    let url = format!("postgres://{role}:p@127.0.0.1:{}/{database}", cluster.port);
    let run = step.runs(place.pgstow(&["backup", "--no-encryption", &url])).fails(Kind::Postgres);
    assert!(run.stderr.contains(": :stop-commands::x"), "it is printed all the same: {run}");
    let commands: Vec<&str> = run.stderr.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    let known = ["::group::", "::endgroup::", "::error title=pgstow::", "::warning title=pgstow::"];
    assert!(commands.iter().all(|line| known.iter().any(|known| line.starts_with(known))), "{run}");
    assert!(run.stderr.lines().all(|line| line.starts_with("::") || !line.contains("##[")), "{run}");
}
