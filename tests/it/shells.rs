//! Completion scripts in the real shells, and man pages in the real formatter.

use crate::harness::pgstow;
use crate::servers::run;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A folder with the script for a shell, and `pgstow` in its `PATH`.
struct Home {
    folder: TempDir,
    script: PathBuf,
}

impl Home {
    fn with(shell: &str, file: &str) -> Home {
        let folder = TempDir::new().unwrap();
        let script = folder.path().join(file);
        std::fs::write(&script, pgstow(["completions", shell]).succeeds().stdout).unwrap();
        Home { folder, script }
    }

    fn shell(&self, words: &[&str]) -> String {
        let bin = Path::new(env!("CARGO_BIN_EXE_pgstow")).parent().unwrap();
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let mut shell = Command::new(words[0]);
        shell.args(&words[1..]).env_clear().env("PATH", path).env("HOME", self.folder.path());
        run(shell.env("LC_ALL", "C.UTF-8").env("TERM", "dumb").current_dir(self.folder.path()))
    }
}

/// What every shell must offer.
#[track_caller]
fn assert_offered(line: &str, offered: &str, expected: &[&str]) {
    for word in expected {
        let has = offered.split(|c: char| c.is_whitespace() || c == ':').any(|offer| offer == *word);
        assert!(has, "after {line:?} there is no {word}: {offered}");
    }
}

const CASES: [(&str, &[&str]); 4] = [
    ("pgstow re", &["restore"]),
    ("pgstow backup --all", &["--all-databases"]),
    ("pgstow restore --proof ", &["counts", "digests", "none"]),
    ("pgstow completions ", &["bash", "zsh", "fish"]),
];

#[test]
fn bash_completes() {
    let home = Home::with("bash", "pgstow.bash");
    for (line, expected) in CASES {
        // What readline does: it calls the function that the script registered, with the words so far.
        let words: Vec<&str> = line.split(' ').collect();
        let script = format!(
            "source {}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({}); COMP_CWORD={}\n\
             complete -p pgstow | grep -q -- '-F _pgstow'\n\
             _pgstow pgstow \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            home.script.display(),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len() - 1
        );
        let offered = home.shell(&["bash", "--norc", "-euc", &script]);
        assert_offered(line, &offered, expected);
    }
}

#[test]
fn zsh_completes() {
    let home = Home::with("zsh", "_pgstow");
    // zsh completes only in a terminal: one of its own, which types the line and a tab.
    let driver = r#"
zmodload zsh/zpty
zpty shell 'PS1= zsh -f -i'
zpty -w shell "fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' menu no; setopt no_list_beep; LISTMAX=1000; PS1=READY; PS2="
zpty -r -m shell seen '*READY*' || exit 3
zpty -w -n shell "$2"$'\t'
for try in {1..100}; do
    sleep 0.1
    while zpty -r -t shell part; do seen+=$part; done
    [[ $seen == *$3* ]] && break
done
print -r -- $seen
zpty -d shell
"#;
    let file = home.folder.path().join("driver.zsh");
    std::fs::write(&file, driver).unwrap();
    let folder = home.folder.path().to_str().unwrap();
    for (line, expected) in CASES {
        let last = expected.last().unwrap();
        let seen = home.shell(&["zsh", "-f", file.to_str().unwrap(), folder, line, last]);
        for word in expected {
            assert!(seen.contains(word), "after {line:?} there is no {word}: {seen:?}");
        }
    }
}

#[test]
fn fish_completes() {
    let home = Home::with("fish", "pgstow.fish");
    // Its scripts complete no positional words.
    for (line, expected) in &CASES[..3] {
        let script = format!("source {}; complete -C '{line}'", home.script.display());
        assert_offered(line, &home.shell(&["fish", "--no-config", "-c", &script]), expected);
    }
}

#[test]
fn man_pages_are_formatted_as_they_are_written() {
    let folder = TempDir::new().unwrap();
    let pages = folder.path().join("share/man1");
    pgstow(["man"]).arg(&pages).succeeds().says("pages into ");
    let mut verbs = 0;
    for entry in std::fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        verbs += 1;
        // Every finding of the formatter but the missing date, and where paragraphs could be fewer.
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&path).output().unwrap();
        let found = String::from_utf8_lossy(&lint.stdout).into_owned();
        let harmless = ["missing date", "skipping paragraph macro"];
        let bad: Vec<&str> =
            found.lines().filter(|line| !harmless.iter().any(|known| line.contains(known))).collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
    assert!(verbs > 12, "{verbs}");
    let text = run(Command::new("mandoc")
        .args(["-T", "ascii", "-O", "width=100"])
        .arg(pages.join("pgstow-restore.1")));
    // Bold is a letter printed over itself.
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '\u{8}' => drop(plain.pop()),
            c => plain.push(c),
        }
    }
    for expected in [
        "pgstow-restore",
        "--to <URL>",
        "pgstow restore latest --name app -i key.txt --to postgres://admin@db/app_restored",
        "EXIT STATUS",
        "does not verify: damaged, incomplete",
    ] {
        assert!(plain.contains(expected), "{expected}: {plain}");
    }
    let main = pgstow(["man"]).succeeds().text();
    assert_eq!(main.trim_end(), std::fs::read_to_string(pages.join("pgstow.1")).unwrap().trim_end());
    pgstow(["man", "--json"]).fails(pgstow::error::Kind::Usage);
}
