//! `keygen --paper`: the sheet is printed by a browser, and read back from the picture.

use super::scene::{content, stream};
use crate::harness::pgstow;
use crate::scene::{Keys, Place};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::run;
use pgstow::error::Kind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A browser that prints without a screen.
fn browser() -> Option<&'static str> {
    let works = |program: &&str| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    ["chromium", "google-chrome", "google-chrome-stable", "chrome"].into_iter().find(works)
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Prints a page onto paper of this size; the PDF.
fn print(browser: &str, page: &Path, size: &str, folder: &Path) -> PathBuf {
    let (sized, pdf) = (folder.join(format!("{size}.html")), folder.join(format!("{size}.pdf")));
    let text = std::fs::read_to_string(page).unwrap();
    let style = format!("<style>@page {{ size: {size}; }}</style></head>");
    std::fs::write(&sized, text.replacen("</head>", &style, 1)).unwrap();
    let mut command = Command::new("timeout");
    command.args(["100", browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    command
        .arg("--no-pdf-header-footer")
        .arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.arg(format!("--print-to-pdf={}", pdf.display())).arg(format!("file://{}", sized.display()));
    run(command.env("HOME", folder));
    pdf
}

#[test]
fn the_sheet_fits_one_page_and_its_code_is_the_key() {
    let Some(browser) = browser() else { crate::skip!("there is no Chromium or Chrome to print with") };
    for program in ["pdfinfo", "pdftoppm", "pdftotext", "zbarimg"] {
        if !has(program) {
            crate::skip!("{program} is not installed");
        }
    }
    let home = TempDir::new().unwrap();
    let (key, sheet) = (home.path().join("key.txt"), home.path().join("key.html"));
    let made =
        pgstow(["keygen", "-o"]).arg(&key).arg("--paper").arg(&sheet).succeeds().says("a sheet to print");
    let recipient = made.text().trim().to_owned();
    let identity = std::fs::read_to_string(&key).unwrap().lines().last().unwrap().to_owned();
    assert!(!made.text().contains("SECRET") && !made.stderr.contains(&identity), "{made}");
    for size in ["A4", "letter"] {
        let pdf = print(browser, &sheet, size, home.path());
        let info = run(Command::new("pdfinfo").arg(&pdf));
        let pages = info.lines().find(|line| line.starts_with("Pages:")).unwrap();
        assert_eq!(pages.split_whitespace().last(), Some("1"), "{size}: {info}");
        let text = run(Command::new("pdftotext").args(["-layout", pdf.to_str().unwrap(), "-"]));
        let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        assert!(packed.contains("pg_restore--create--dbnamepostgresapp.dump"), "{size}: {text}");
        let picture = home.path().join(size);
        run(Command::new("pdftoppm").args(["-r", "110", "-png", "-singlefile"]).arg(&pdf).arg(&picture));
        let read = run(Command::new("zbarimg").args(["--quiet", "--raw"]).arg(picture.with_extension("png")));
        assert_eq!(read.trim(), identity, "{size}");
    }
    // Typed or copied from the sheet, without the spaces that only the eye sees.
    let page = std::fs::read_to_string(&sheet).unwrap().replace("<span>", "").replace("</span>", "");
    assert!(page.contains(&identity) && page.contains(&recipient));
}

#[test]
fn the_sheets_commands_restore_a_backup() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("on_paper");
    cluster.psql(&database, "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 500) n");
    let before = cluster.text_of(&database);
    let home = TempDir::new().unwrap();
    let sheet = home.path().join("key.html");
    let recipient = pgstow(["keygen", "--paper"]).arg(&sheet).succeeds().text();
    let page = std::fs::read_to_string(&sheet).unwrap();
    let secret = page.replace("<span>", "").replace("</span>", "");
    let from = secret.find("AGE-SECRET-KEY-1").unwrap();
    std::fs::write(home.path().join("key.txt"), &secret[from..from + 74]).unwrap();
    let place = Place::folder();
    let words = ["backup", "--name", "app", "-r", recipient.trim(), &cluster.url(&database)];
    place.pgstow(&words).succeeds();
    std::fs::write(home.path().join("dump.zst.age"), place.get(&place.key("/dump.zst.age"))).unwrap();
    let (_, rest) = page.split_once("<pre>").unwrap();
    let commands = rest.split_once("</pre>").unwrap().0;
    assert_eq!(commands.lines().count(), 3, "{commands}");
    // The database gets its old name.
    cluster.psql("postgres", &format!("DROP DATABASE \"{database}\""));
    let path = std::env::var_os("PATH").unwrap();
    let all = std::iter::once(cluster.bin()).chain(std::env::split_paths(&path));
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", commands]).current_dir(home.path());
    shell.env("PATH", std::env::join_paths(all).unwrap());
    shell.envs([
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", &*cluster.port.to_string()),
        ("PGUSER", USER),
        ("PGPASSWORD", PASSWORD),
    ]);
    run(&mut shell);
    assert_eq!(cluster.text_of(&database), before);
}

#[test]
fn the_sheet_is_as_secret_as_the_key() {
    let home = TempDir::new().unwrap();
    let at = |name: &str| home.path().join(name);
    let keygen = |words: &[&str]| pgstow(["keygen"]).args(words).in_folder(home.path());
    // Without -o the sheet is the only place with the secret.
    let made = keygen(&["--paper", "one.html", "--json"]).succeeds();
    let document = made.json();
    assert_eq!((&document["paper"], document.get("identity")), (&"one.html".into(), None), "{made}");
    assert_eq!(at("one.html").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let printed = keygen(&["--paper", "two.html", "-o", "-"]).succeeds().text();
    let identity = printed.lines().last().unwrap();
    let page = std::fs::read_to_string(at("two.html")).unwrap().replace("<span>", "").replace("</span>", "");
    assert!(identity.starts_with("AGE-SECRET-KEY-1") && page.contains(identity));
    // Nothing is overwritten, and no sheet is left for a key that is nowhere.
    std::fs::write(at("key.txt"), "old").unwrap();
    keygen(&["--paper", "three.html", "-o", "key.txt"]).fails(Kind::TargetExists);
    keygen(&["--paper", "one.html", "-o", "new.txt"]).fails(Kind::TargetExists);
    assert!(!at("three.html").exists() && !at("new.txt").exists());
    keygen(&["--paper", "four.html", "-o", "./four.html"]).fails(Kind::Usage).says("name the same file");
    keygen(&["--paper", "four.html", "--signing"])
        .fails(Kind::Usage)
        .says("--paper is for a key that decrypts");
    // The key on it is a key.
    let place = Place::folder();
    let keys = Keys { identity: identity.to_owned(), recipient: page_recipient(&page) };
    let id = stream(&place, "app", b"bytes", |backup| backup.args(["-r", &keys.recipient]));
    assert!(content(&place, "app", &id, &keys) == b"bytes");
}

/// The recipient on a sheet.
fn page_recipient(page: &str) -> String {
    let from = page.find("age1").unwrap();
    page[from..from + 62].to_owned()
}
