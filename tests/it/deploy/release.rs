//! What a release consists of, made from the built binary as the workflow makes it, and used as its users would.

use super::root::Root;
use super::{at, text, yaml};
use crate::scene::fresh;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::{run, script};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The version that a release has.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A release's files, in a folder.
pub struct Release {
    folder: TempDir,
}

/// The target that a static binary is built for on this kind of machine.
pub fn static_target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// A static binary, or why there is none: to build one takes longer than all tests.
pub fn static_binary() -> Result<PathBuf, String> {
    let target = static_target();
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(&target).join("release/pgstow");
    match built.is_file() {
        true => Ok(built),
        false => Err(format!("no static binary is there: cargo build --release --target {target}")),
    }
}

/// The built binary without what a debugger wants: a tenth of the size.
pub fn binary() -> &'static Path {
    static STRIPPED: OnceLock<PathBuf> = OnceLock::new();
    STRIPPED.get_or_init(|| {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pgstow-stripped");
        run(Command::new("strip").arg("-o").arg(&to).arg(env!("CARGO_BIN_EXE_pgstow")));
        to
    })
}

fn make(what: &str, binary: &Path, folder: &Path) -> PathBuf {
    let mut command = Command::new(at("scripts/release.sh"));
    // A release is as small as it gets; here seconds count.
    command.env("DPKG_DEB_COMPRESSOR_TYPE", "gzip").env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    command.env("DEBFULLNAME", "someone").env("DEBEMAIL", "someone@example.com");
    run(command.arg(what).arg(binary).arg(folder)).trim().into()
}

impl Release {
    pub fn new() -> Release {
        Release { folder: TempDir::new().unwrap() }
    }

    /// The archive of this machine's kind and its checksum, where the action looks for them.
    pub fn into(releases: &Path) {
        let folder = releases.join(format!("v{VERSION}"));
        std::fs::create_dir_all(&folder).unwrap();
        make("archive", binary(), &folder);
        run(Command::new(at("scripts/release.sh")).arg("sums").arg(&folder));
    }

    /// The Debian package.
    pub fn deb(&self) -> PathBuf {
        make("deb", binary(), self.folder.path())
    }
}

#[test]
fn the_package_installs_into_a_bare_debian_and_works_there() {
    let root = match Root::new() {
        Ok(root) => root,
        Err(why) => crate::skip!("{why}"),
    };
    let release = Release::new();
    root.bring(&release.deb(), "pgstow.deb");
    root.sh("apt-get update -qq; apt-get install -y -qq ./pgstow.deb age zstd >/dev/null");
    // What it recommends is there: a client of PostgreSQL.
    assert!(root.sh("pgstow --version; pg_dump --version").contains(&format!("pgstow {VERSION}")));
    let maintainer = root.sh("dpkg-query -W -f '${Maintainer}' pgstow");
    assert_eq!(maintainer.trim(), "someone <someone@example.com>");
    let files = root.sh("dpkg -L pgstow");
    for file in [
        "/usr/share/man/man1/pgstow-restore.1.gz",
        "/usr/share/bash-completion/completions/pgstow",
        "/usr/lib/systemd/system/pgstow-backup.timer",
    ] {
        assert!(files.lines().any(|line| line == file), "{file}: {files}");
    }
    assert!(
        root.sh("cat /usr/lib/systemd/system/pgstow-backup.service")
            .contains("ExecStart=/usr/bin/pgstow backup")
    );

    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("packaged");
    cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 123) AS n");
    let (url, copy, by_hand) = (cluster.url(&database), fresh("packaged_copy"), fresh("packaged_by_hand"));
    let restored = cluster.url(&copy);
    cluster.psql("postgres", &format!("CREATE DATABASE {by_hand}"));
    let opened = cluster.url(&by_hand);
    let said = root.sh(&format!(
        "pgstow keygen -o key.txt; export PGSTOW_STORE=file:///store
         pgstow backup '{url}' --name app --recipient $(grep -o 'age1[0-9a-z]*' key.txt)
         pgstow restore latest -i key.txt --to '{restored}'
         age -d -i key.txt /store/app/*/dump.zst.age | zstd -dc | pg_restore -d '{opened}'"
    ));
    assert!(said.contains("123 rows"), "{said}");
    for copy in [copy, by_hand] {
        assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM t"), "123");
        cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
    root.sh("dpkg --purge pgstow");
    assert!(!root.at("usr/bin/pgstow").exists());
}

/// What has no symbols of a C library needs none: a static binary, for which a script stands here.
#[test]
fn a_package_of_what_needs_no_library_depends_on_nothing() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("pgstow");
    script(&program, &format!("#!/bin/sh\nexec {} \"$@\"\n", binary().display()));
    let control = |of: &Path| run(Command::new("dpkg-deb").arg("-f").arg(make("deb", of, folder.path())));
    assert!(!control(&program).contains("\nDepends:"), "{}", control(&program));
    assert!(control(binary()).contains("\nDepends: libc6 (>= 2."), "{}", control(binary()));
}

#[test]
fn checksums_are_signed_and_the_formula_has_them() {
    let folder = TempDir::new().unwrap();
    let (key, public) = (folder.path().join("minisign.key"), folder.path().join("minisign.pub"));
    run(Command::new("minisign").args(["-G", "-W", "-f", "-s"]).arg(&key).arg("-p").arg(&public));
    let release = folder.path().join("release");
    std::fs::create_dir(&release).unwrap();
    // Archives of other systems are made on other machines; here their names are enough.
    for machine in ["x86_64-linux", "aarch64-linux", "arm64-macos", "x86_64-macos"] {
        std::fs::write(release.join(format!("pgstow-1.2.3-{machine}.tar.gz")), machine).unwrap();
    }
    run(Command::new(at("scripts/release.sh")).arg("sums").arg(&release).env("MINISIGN_KEY", &key));
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&release));
    run(Command::new("minisign").args(["-V", "-m"]).arg(release.join("SHA256SUMS")).arg("-p").arg(&public));

    let mut formula = Command::new(at("scripts/release.sh"));
    let formula = run(formula.arg("formula").arg(&release).arg("someone/pgstow"));
    for line in std::fs::read_to_string(release.join("SHA256SUMS")).unwrap().lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let block = format!("releases/download/v1.2.3/{name}\"\n      sha256 \"{sum}\"");
        assert!(formula.contains(&block), "{name}: {formula}");
    }
    assert!(formula.contains("version \"1.2.3\""), "{formula}");
}

/// The commit is known in a crate, which has no git; and nothing else is taken for it.
#[test]
fn a_crate_says_which_commit_it_was_packaged_from() {
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("build");
    run(Command::new("rustc").args(["--edition", "2024", "-o"]).arg(&script).arg(at("build.rs")));
    let asked = |commit: Option<&str>| {
        let mut command = Command::new(&script);
        command.current_dir(folder.path()).env_remove("PGSTOW_COMMIT").env("PROFILE", "release");
        run(command.envs(commit.map(|commit| ("PGSTOW_COMMIT", commit))))
    };
    let known = "cargo::rustc-env=PGSTOW_COMMIT=";
    assert!(!asked(None).contains(known), "a folder without git");
    let info = |sha1: &str| {
        format!("{{\n  \"git\": {{\n    \"sha1\": \"{sha1}\"\n  }},\n  \"path_in_vcs\": \"\"\n}}")
    };
    let file = folder.path().join(".cargo_vcs_info.json");
    std::fs::write(&file, info("0123456789abcdef0123456789abcdef01234567")).unwrap();
    assert!(asked(None).contains(&format!("{known}0123456789ab\n")));
    assert!(!asked(Some("named")).contains(known), "what was named is taken as it is");
    std::fs::write(&file, info("$(id) is no commit")).unwrap();
    assert!(!asked(None).contains(known));
    std::fs::remove_file(&file).unwrap();
    run(Command::new("git").args(["init", "-q"]).current_dir(folder.path()));
    assert!(!asked(None).contains(known), "a clone without a commit");
    let commit =
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "one"];
    run(Command::new("git").args(commit).current_dir(folder.path()));
    let asked = asked(None);
    assert!(asked.contains(known) && asked.contains("rerun-if-changed=.git/logs/HEAD"), "{asked}");
}

#[test]
fn the_release_workflow_makes_what_the_action_and_the_docs_name() {
    let workflow = text(".github/workflows/release.yml");
    for part in ["release.sh archive", "release.sh deb", "release.sh sums", "release.sh formula"] {
        assert!(workflow.contains(part), "{part}");
    }
    for (name, job) in yaml(".github/workflows/release.yml")["jobs"].as_mapping().unwrap() {
        for step in job["steps"].as_sequence().unwrap() {
            if let Some(uses) = step["uses"].as_str() {
                let commit = uses.split_once('@').unwrap().1;
                assert!(
                    commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()),
                    "{name:?}: {uses}"
                );
            }
            let run = step["run"].as_str().unwrap_or_default();
            assert!(!run.contains("${{"), "an expression in a script would run what it says: {run}");
        }
    }
}
