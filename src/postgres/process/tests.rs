//! Children that end well, badly, early or late, and those that are dropped.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use rustix::process::Pid;

use super::child::{GRACE, all_reaped};
use super::program::Program;
use super::secret::Secret;
use crate::error::{Error, Kind, Result};

fn sh(script: &str) -> Program {
    Program::new("/bin/sh").args(["-c", script])
}

async fn read_all(program: Program) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let end = program.read()?.read_to_end(&mut all).await;
    end.map_err(|error| Error::from_io(error, Kind::Unexpected, "read"))?;
    Ok(all)
}

#[tokio::test]
async fn a_good_exit_is_the_end_of_file() {
    assert_eq!(read_all(Program::new("true")).await.unwrap(), b"");
    assert_eq!(read_all(sh("echo hello")).await.unwrap(), b"hello\n");
}

#[tokio::test]
async fn a_bad_exit_is_a_read_error_in_the_childs_words() {
    let error = read_all(Program::new("false")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (Kind::Postgres, "false failed (exit status 1): it said nothing")
    );
    let error = read_all(sh("echo data; echo 'sh: error: no such table' >&2; exit 3")).await.unwrap_err();
    assert_eq!(error.message(), "sh failed (exit status 3): no such table");
    let error = read_all(sh("kill -9 $$")).await.unwrap_err();
    assert_eq!(error.message(), "sh was killed by signal 9");
    assert!(!error.hints().is_empty());
}

#[tokio::test]
async fn after_a_failure_there_is_no_end_of_file() {
    let mut output = Program::new("false").read().unwrap();
    assert!(output.read(&mut [0; 8]).await.is_err());
    assert!(output.read(&mut [0; 8]).await.is_err());
    let mut output = Program::new("true").read().unwrap();
    assert_eq!(output.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(output.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_not_kept() {
    let endless = sh("exec cat /dev/zero").run(b"").await.unwrap_err();
    assert!(Error::from(endless).message().contains("sh printed more than 300 MiB"));
}

#[tokio::test]
async fn a_missing_program_is_a_settings_error() {
    let error = Program::new("/nonexistent/pg_dump").read().err().unwrap();
    assert_eq!(error.kind(), Kind::Settings);
    assert!(error.message().contains("/nonexistent/pg_dump"));
}

#[tokio::test]
async fn secrets_are_in_the_environment_and_scrubbed_from_words() {
    let secret = Secret::new("hunter22");
    let script = "echo $PGPASSWORD $PGSTOW_X; echo \"error: bad $PGPASSWORD\" >&2; exit 1";
    let mut all = Vec::new();
    let mut output = sh(script).secret_env("PGPASSWORD", secret).read().unwrap();
    let error = output.read_to_end(&mut all).await.unwrap_err();
    assert_eq!(all, b"hunter22\n");
    assert_eq!(error.to_string(), "sh failed (exit status 1): bad ***");
}

#[tokio::test]
async fn much_on_stderr_does_not_block_stdout() {
    let script = "i=0; while [ $i -lt 4000 ]; do echo \"NOTICE: number $i of very many lines\" >&2; i=$((i+1)); done; echo done";
    assert_eq!(read_all(sh(script)).await.unwrap(), b"done\n");
}

#[tokio::test]
async fn input_is_finished_or_fails() {
    let mut input = sh("cat > /dev/null").write().unwrap();
    input.write_all(&[7; 300_000]).await.unwrap();
    input.shutdown().await.unwrap();
    assert_eq!(input.finish().await.unwrap(), 0);
    let mut input = sh("cat > /dev/null; echo 'error: no role' >&2; exit 1").write().unwrap();
    input.write_all(b"x").await.unwrap();
    assert!(input.finish().await.unwrap_err().message().ends_with("no role"));
}

#[tokio::test]
async fn a_broken_pipe_shows_the_childs_own_error() {
    let mut input = sh("echo 'sh: error: disk full' >&2; exit 1").write().unwrap();
    let error = input.write_all(&vec![0; 4 << 20]).await.unwrap_err();
    assert_eq!(error.to_string(), "sh failed (exit status 1): disk full");
    assert_eq!(input.finish().await.unwrap_err().to_string(), error.to_string());
}

#[tokio::test]
async fn a_child_that_wanted_less_has_not_failed() {
    let mut input = sh("head -c 10 > /dev/null").write().unwrap();
    input.write_all(&vec![0; 4 << 20]).await.unwrap();
    assert!(input.finish().await.unwrap() > 0);
}

/// Waits until no process has this id any more.
async fn gone(pid: Pid) -> bool {
    for _ in 0..100 {
        if rustix::process::test_kill_process(pid).is_err() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn whoever_is_dropped_is_killed_and_reaped() {
    let output = Program::new("sleep").arg("60").read().unwrap();
    let pid = output.group().unwrap();
    drop(output);
    assert!(gone(pid).await);
}

#[tokio::test]
async fn a_dropped_input_does_not_look_like_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let committed = dir.path().join("committed");
    let input = sh(&format!("cat > /dev/null; touch {}", committed.display())).write().unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let pid = input.group().unwrap();
    drop(input);
    assert!(gone(pid).await);
    assert!(!committed.exists());
}

#[tokio::test]
async fn stop_waits_and_does_not_accept_a_refusal() {
    let begun = Instant::now();
    let output = sh("trap '' TERM; echo ready; while true; do sleep 1; done").read().unwrap();
    let mut output = output;
    output.read_exact(&mut [0; 6]).await.unwrap();
    let pid = output.group().unwrap();
    output.stop().await;
    assert!(gone(pid).await && begun.elapsed() < GRACE + Duration::from_secs(3));
}

#[tokio::test]
async fn a_dropped_child_has_the_time_to_cancel_its_query() {
    let dir = tempfile::tempdir().unwrap();
    let cancelled = dir.path().join("cancelled");
    let script = format!(
        "trap 'echo canceling >&2; sleep 0.1; touch {}; exit' TERM; echo ready; while :; do sleep 0.01; done",
        cancelled.display()
    );
    let mut output = sh(&script).read().unwrap();
    output.read_exact(&mut [0; 6]).await.unwrap();
    drop(output);
    all_reaped().await;
    assert!(cancelled.exists());
}
