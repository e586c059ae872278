//! The release workflow's steps, as far as they can run here: from a built binary to the files that are published.

use super::release::{VERSION, binary, static_binary, static_target};
use super::runner::Runner;
use super::{at, yaml};
use crate::servers::{run, script};
use std::path::Path;
use std::process::Command;

/// The steps of the release workflow, from a built binary to the files that are published, as the runner would run them;
/// and the action installs what came of it.
#[test]
fn the_steps_of_the_release_make_what_the_action_installs() {
    plays("debug", binary(), "no");
    // Whether a binary is static is not taken on trust.
    let runner = workspace("debug", binary());
    let failed =
        runner.run(&step("binary", "Look whether it is what it should be"), &looked_at("debug", "yes"));
    assert!(!failed.status.success(), "a binary that needs libraries is no static one");
    let failed = [("TAG", "v9.9.9"), ("TARGET", "debug"), ("STATIC", "no"), ("GITHUB_SHA", "unknown")];
    let failed = runner.run(&step("binary", "Look whether it is what it should be"), &failed);
    assert!(!failed.status.success(), "the tag is another version's");
}

#[test]
fn the_steps_of_the_release_take_the_static_binary() {
    match static_binary() {
        Ok(binary) => plays(&static_target(), &binary, "yes"),
        Err(why) => crate::skip!("{why}"),
    }
}

fn step(job: &str, name: &str) -> serde_yaml_ng::Value {
    let workflow = yaml(".github/workflows/release.yml");
    let steps = workflow["jobs"][job]["steps"].as_sequence().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name:?}")).clone()
}

/// The folder of a job: the project's own files, and the binary where cargo would have put it.
fn workspace(target: &str, binary: &Path) -> Runner {
    let runner = Runner::new();
    for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "deploy", "scripts"] {
        std::os::unix::fs::symlink(at(name), runner.file(name)).unwrap();
    }
    let folder = runner.file(&format!("target/{target}/release"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(binary, folder.join("pgstow")).unwrap();
    // What is to be installed is installed, and sudo is not everywhere.
    std::fs::create_dir(runner.file("bin")).unwrap();
    script(&runner.file("bin/sudo"), "#!/bin/sh\n[ \"$1\" = apt-get ] || exec \"$@\"\n");
    std::fs::write(runner.file("path"), runner.inside("bin")).unwrap();
    runner
}

/// The variables of the job that builds, for a binary whose commit is what it says.
fn looked_at<'a>(target: &'a str, is_static: &'a str) -> [(&'a str, &'a str); 4] {
    const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));
    // A debug build knows no commit, and says so.
    [("TARGET", target), ("STATIC", is_static), ("TAG", TAG), ("GITHUB_SHA", "unknown")]
}

fn plays(target: &str, binary: &Path, is_static: &str) {
    let runner = workspace(target, binary);
    let said = run(Command::new(binary).arg("--version"));
    let commit = said.lines().find_map(|line| line.strip_prefix("commit: ")).unwrap().to_owned();
    let mut env = looked_at(target, is_static);
    env[3].1 = &commit;
    let play = |job: &str, name: &str, env: &[(&str, &str)]| {
        let done = runner.run(&step(job, name), env);
        assert!(done.status.success(), "{name}: {}", super::github::said(&done));
    };
    play("binary", "Look whether it is what it should be", &env);
    let maintainer = [("DEBFULLNAME", "someone"), ("DEBEMAIL", "someone@example.com")];
    let quick = [("DPKG_DEB_COMPRESSOR_TYPE", "gzip"), ("DPKG_DEB_COMPRESSOR_LEVEL", "1")];
    play("binary", "Pack", &[&env[..], &maintainer, &quick].concat());

    let (key, public) = (runner.inside("minisign.key"), runner.inside("minisign.pub"));
    run(Command::new("minisign").args(["-G", "-W", "-f", "-s", &key, "-p", &public]));
    let secret = std::fs::read_to_string(&key).unwrap();
    let secret = [("KEY", secret.trim_end()), ("GITHUB_REPOSITORY", "someone/pgstow")];
    play("publish", "Add checksums, their signature and the formula", &secret);
    assert!(!runner.file("temp/minisign.key").exists(), "the key stays nowhere");
    let release = runner.file("release");
    run(Command::new("minisign").args(["-V", "-m"]).arg(release.join("SHA256SUMS")).args(["-p", &public]));
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&release));
    let mut files: Vec<String> = std::fs::read_dir(&release)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let architecture = run(Command::new("dpkg").arg("--print-architecture"));
    let archive = format!("pgstow-{VERSION}-{}-linux.tar.gz", std::env::consts::ARCH);
    let deb = format!("pgstow_{VERSION}_{}.deb", architecture.trim());
    let mut expected = vec!["SHA256SUMS", "SHA256SUMS.minisig", &archive, "pgstow.rb"];
    expected.extend((is_static == "yes").then_some(&*deb));
    assert_eq!(files, expected);
    let formula = std::fs::read_to_string(release.join("pgstow.rb")).unwrap();
    assert!(formula.contains(&format!("someone/pgstow/releases/download/v{VERSION}/{archive}")), "{formula}");
    if is_static == "yes" {
        if super::empty::refused().is_none() {
            play("tried", "In an empty root", &[]);
        }
        let control = run(Command::new("dpkg-deb").arg("-f").arg(release.join(&deb)));
        assert!(!control.contains("\nDepends:"), "{control}");
    }

    std::fs::create_dir(runner.file("releases")).unwrap();
    std::fs::rename(&release, runner.file(&format!("releases/v{VERSION}"))).unwrap();
    let from = format!("file://{}", runner.inside("releases"));
    let install = super::github::of_action("Install pgstow");
    let done =
        runner.run(&install, &[("VERSION", VERSION), ("REPOSITORY", "someone/pgstow"), ("RELEASES", &from)]);
    assert!(done.status.success(), "{}", super::github::said(&done));
    assert!(super::github::said(&done).contains(&format!("commit: {commit}")));
}
