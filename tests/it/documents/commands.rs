//! The commands of the pages that people follow step by step, run in their order against a real server and a store.
//!
//! Of a page only the names are replaced that stand for the reader's own: the server, the store, keys. A command
//! after whose prompt the page shows an error has to fail, every other one has to succeed.

use super::SHOP;
use crate::harness::repository;
use crate::scene::every_client;
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::{folder, run};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

/// What is not run, by a part of it, and why.
const NOT_RUN: [(&str, &str); 10] = [
    ("make demo", "it takes a PostgreSQL of its own"),
    ("cargo install", "it builds"),
    ("aws s3 cp", "the store here is a folder; the rest of the line is in opens_without_us.rs"),
    ("manage.py", "Django's part is in tables.rs and sources.rs"),
    ("--neon", "Neon's part is in neon.rs"),
    ("--roles restore", "it wants a server without the roles: roles.rs"),
    ("cron.job", "it wants a server that loads pg_cron: tried/extensions.rs"),
    ("$DATABASE_URL", "it wants a server that lends one database: roles/lent.rs"),
    ("$NEW_PROJECT", "it wants a project of Supabase: roles/project.rs"),
    ("--search-path", "it wants functions that name no schema: tried/names.rs"),
];
/// What the commands of a page begin with; other lines show what they print.
const PROGRAMS: [&str; 6] = ["pgstow", "export", "chmod", "make", "cargo", "aws"];

/// What happens in the shop between the two backups.
const NEXT_DAY: &str = "CREATE TABLE app.coupons (code text); INSERT INTO app.coupons VALUES ('WELCOME')";

/// A line to type.
struct Line {
    text: String,
    /// What the page shows below it.
    below: String,
}

impl Line {
    /// Whether the page shows an error.
    fn fails(&self) -> bool {
        self.below.lines().any(|line| line.starts_with("error: "))
    }
}

/// The lines of a page, in their order.
fn lines(page: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let blocks = text.split("\n```").skip(1).step_by(2).filter(|block| block.starts_with('\n'));
    let of_block = |block: &str| {
        let joined: String = block.split("\\\n").map(|part| part.trim_start_matches(' ')).collect();
        let with_prompts = joined.split("\n$ ").skip(1).map(|shown| {
            let (text, below) = shown.split_once('\n').unwrap_or((shown, ""));
            Line { text: text.to_owned(), below: below.to_owned() }
        });
        let with_prompts: Vec<Line> = with_prompts.collect();
        if !with_prompts.is_empty() {
            return with_prompts;
        }
        let is_typed = |line: &&str| line.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word));
        joined
            .lines()
            .filter(is_typed)
            .map(|line| Line { text: line.to_owned(), below: String::new() })
            .collect()
    };
    blocks.flat_map(of_block).collect()
}

/// Somebody who follows pages, with a server, a store and a home.
struct Reader {
    cluster: Cluster,
    home: TempDir,
    folder: PathBuf,
    /// The names that stand for the reader's own, and these.
    own: Vec<(String, String)>,
    /// The variables that the page has set.
    exports: String,
    passed_over: BTreeSet<&'static str>,
    /// What the commands printed.
    seen: String,
    /// What did not end as the page says.
    wrong: Vec<String>,
}

impl Reader {
    fn new() -> Reader {
        let cluster = Cluster::start(Major::V17);
        cluster.psql("postgres", "CREATE DATABASE app");
        cluster.psql("app", SHOP);
        for role in ["admin SUPERUSER", "migrator", "web", "reporting", "support"] {
            cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"));
        }
        let home = folder("pages");
        let own = [
            ("s3://my-backups/prod?region=eu-central-1", format!("file://{}/store", home.path().display())),
            ("postgres://admin@db/", "postgres:///".to_owned()),
            ("postgres://backup@db.example.com/", "postgres:///".to_owned()),
            (" -h db ", " ".to_owned()),
            // Nobody is here to be asked.
            ("/app --swap", "/app --swap --yes".to_owned()),
            ("pgstow swap ", "pgstow swap --yes ".to_owned()),
        ];
        let own = own.map(|(name, own)| (name.to_owned(), own)).into();
        let (exports, passed_over, seen, wrong) = Default::default();
        let folder = home.path().to_owned();
        Reader { cluster, home, folder, own, exports, passed_over, seen, wrong }
    }

    /// Types a line in a shell.
    fn types(&self, line: &str) -> Output {
        let line =
            self.own.iter().fold(line.to_owned(), |line, (name, own)| line.replace(name.as_str(), own));
        let mut shell = Command::new("/bin/bash");
        shell.args(["-eo", "pipefail", "-c", &format!("{}\n{line}", self.exports)]).env_clear();
        shell.env("HOME", self.home.path()).env("LC_ALL", "C.UTF-8").env("PATH", path());
        shell.env("PGHOST", "127.0.0.1").env("PGPORT", self.cluster.port.to_string());
        shell.env("PGUSER", USER).env("PGPASSWORD", PASSWORD);
        shell.env("PGSTOW_SCRATCH", self.home.path()).current_dir(&self.folder);
        shell.output().unwrap()
    }

    /// Types a line of a page, and looks whether it does what the page says.
    fn follows(&mut self, page: &str, line: &Line) {
        let Line { text, below } = line;
        // The page shows a file for its reader to write.
        if let Some(file) = text.strip_prefix("cat ") {
            return self.writes(file, below);
        }
        if let Some((part, _)) = NOT_RUN.iter().find(|(part, _)| text.contains(part)) {
            self.passed_over.insert(part);
            return;
        }
        if text.starts_with("export ") {
            self.exports
                .push_str(&self.own.iter().fold(text.clone(), |text, (name, own)| text.replace(name, own)));
            return self.exports.push('\n');
        }
        // Rows are brought back into a table that lost them, or was spoilt, or with the table.
        if text.contains(" -f correct.sql") {
            self.cluster.psql("app", "UPDATE app.customers SET name = 'oops'");
        } else if text.contains(" --create-tables") {
            self.cluster.psql("app", "DROP TABLE app.orders CASCADE");
        } else if text.contains(" --into ") {
            self.cluster.psql("app", "TRUNCATE app.orders");
        }
        let output = self.types(text);
        let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        if output.status.success() == line.fails() {
            self.wrong.push(format!("{page}: {text}\n{said}"));
        }
        self.seen.push_str(&said);
    }

    /// Follows a page from its beginning to its end.
    fn reads(&mut self, page: &str) {
        lines(page).iter().for_each(|line| self.follows(page, line));
    }

    /// A file of the folder that the page is read in.
    fn writes(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The recipient of a key in a file.
    fn recipient(&self, file: &str) -> String {
        let key = std::fs::read_to_string(self.folder.join(file)).unwrap();
        key.split("public key: ").nth(1).unwrap().lines().next().unwrap().to_owned()
    }

    fn replaces(&mut self, name: &str, own: String) {
        self.own.push((name.to_owned(), own));
    }
}

/// Where the built program is, and every client.
fn path() -> OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_pgstow")).parent().unwrap().to_owned();
    let clients = every_client();
    std::env::join_paths([program].into_iter().chain(std::env::split_paths(&clients))).unwrap()
}

/// The block of this language in a page.
fn block(page: &str, language: &str) -> String {
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let block = text.split(&format!("\n```{language}\n")).nth(1).unwrap();
    block.split("\n```").next().unwrap().to_owned()
}

/// The README: key, backup, list, verification, 3 a.m.; then restoring, verification, a laptop with a profile.
#[test]
fn the_commands_of_the_pages_do_what_they_say() {
    let mut reader = Reader::new();
    for line in lines("README.md") {
        reader.follows("README.md", &line);
        if line.text.starts_with("pgstow keygen") {
            reader.replaces("age1ypx…", reader.recipient("key.txt"));
        }
        if line.text.starts_with("pgstow backup") {
            // The next day; ids of one second are in no order.
            reader.cluster.psql("app", NEXT_DAY);
            std::thread::sleep(Duration::from_secs(1));
            reader.follows("README.md", &line);
        }
    }
    assert!(reader.seen.contains("app.coupons"), "{}", reader.seen);

    reader.writes("mask.sql", &block("docs/start/laptop.md", "sql"));
    let settings = block("docs/start/laptop.md", "toml");
    let settings = reader.own.iter().fold(settings, |text, (name, own)| text.replace(name, own));
    reader.writes(".config/pgstow/pgstow.toml", &settings);
    std::fs::copy(reader.folder.join("key.txt"), reader.folder.join(".config/pgstow/key.txt")).unwrap();
    reader.exports.clear();
    reader.reads("docs/start/laptop.md");
    let masked = "SELECT string_agg(DISTINCT name, ' ') LIKE 'customer %' FROM app.customers";
    assert_eq!(reader.cluster.psql("app_dev", masked), "t");
    reader.cluster.psql("postgres", "DROP DATABASE app_dev");

    reader.cluster.psql("postgres", "CREATE DATABASE originaldb TEMPLATE app");
    let plain = reader.folder.join("portal.sql");
    run(reader.cluster.client("pg_dump").args(["-d", "app", "-f"]).arg(&plain));
    run(Command::new("gzip").arg(&plain));
    for page in
        ["docs/restore.md", "docs/restore-tables.md", "docs/restore-cases.md", "docs/restore-servers.md"]
    {
        reader.reads(page);
    }
    reader.reads("docs/verification.md");
    let result = std::fs::read_to_string(reader.folder.join("result.json")).unwrap();
    assert_eq!(reader.cluster.psql("app", "SELECT count(*) FROM app.customers WHERE name = 'oops'"), "0");
    assert!(serde_json::from_str::<serde_json::Value>(&result).unwrap().is_array(), "{result}");
    assert!(reader.wrong.is_empty(), "{}", reader.wrong.join("\n\n"));
    assert_eq!(reader.passed_over, NOT_RUN.iter().map(|(part, _)| *part).collect(), "some are run now");
}

/// Keys: on paper, who can read what, new recipients.
#[test]
fn the_commands_about_keys_do_what_they_say() {
    let mut reader = Reader::new();
    reader.exports = format!("export PGSTOW_STORE=file://{}/store\n", reader.folder.display());
    for line in lines("docs/keys.md") {
        reader.follows("docs/keys.md", &line);
        if line.text.starts_with("pgstow keygen") {
            let backup = "pgstow backup postgres:///app --recipient";
            let recipient = reader.recipient("key.txt");
            assert!(
                reader
                    .types(&format!("{backup} {recipient}; cp key.txt old.txt; pgstow keygen -o new.txt"))
                    .status
                    .success()
            );
            reader.replaces("age1new…", reader.recipient("new.txt"));
            reader.replaces("age1team…", recipient.clone());
            reader.replaces("age1…", recipient);
        }
    }
    assert!(reader.wrong.is_empty(), "{}", reader.wrong.join("\n\n"));
    assert!(reader.folder.join("key.html").exists());
    for key in ["key.txt", "new.txt"] {
        assert_eq!(reader.types(&format!("pgstow verify --all -i {key}")).status.success(), key == "key.txt");
    }
}
