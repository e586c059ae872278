//! Which options a user may pass through.

use super::passthrough::Tool;
use super::{dump, restore};

fn refused(tool: &Tool, words: &str) -> bool {
    tool.check(&words.split_whitespace().map(String::from).collect::<Vec<_>>()).is_err()
}

#[test]
fn dangerous_dump_options_are_refused_in_every_spelling() {
    for words in [
        "--inserts",
        "--insert",
        "--column-inserts",
        "--attribute-inserts",
        "--rows-per-insert=5",
        "--rows-per-insert 5",
        "--on-conflict-do-nothing",
        "--enable-row-security",
        "--enable-row",
        "-f out",
        "-fout",
        "--file=x",
        "-Fp",
        "-aFp",
        "-F p",
        "--format=plain",
        "-Z9",
        "--compress=0",
        "-j4",
        "-vj4",
        "--jobs=4",
        "-W",
        "-aW",
        "--password",
        "-d x",
        "--dbname=x",
        "-hx",
        "--host=x",
        "-p5",
        "-U me",
        "--username=me",
        "--port=1",
        "-v",
        "--verbose",
        "-V",
        "--help",
        "-s -O --inserts",
        "--snapshot=00000003-1",
        "--snap 00000003-1",
        "--lock-wait-timeout=5",
        "--lock-wait 5",
    ] {
        assert!(refused(&dump::TOOL, words), "{words}");
    }
}

#[test]
fn ordinary_dump_options_pass() {
    for words in [
        "--load-via-partition-root",
        "-t users",
        "-tF",
        "--table=f",
        "-nW",
        "--no-owner",
        "-Ox",
        "--no-privileges",
        "--serializable-deferrable",
        "--schema=public",
        "--extension=x",
        "-s",
        "-E UTF8",
        "--no-comments",
        "--exclude-table-data=logs",
        "--role=dumper",
        "--filter=x",
        "--no-password",
        "-w",
        "--statistics",
        "--encoding=UTF8",
        "--no-sync",
        "--blobs",
        "--clean",
        "--create",
    ] {
        assert!(!refused(&dump::TOOL, words), "{words}");
    }
}

#[test]
fn restore_options() {
    for words in [
        "-j2",
        "--jobs=2",
        "-c",
        "--clean",
        "-C",
        "--create",
        "-l",
        "--list",
        "-f-",
        "-dx",
        "--transaction-size=5",
    ] {
        assert!(refused(&restore::TOOL, words), "{words}");
    }
    for words in [
        "--no-owner",
        "-Ox",
        "--role=app",
        "-L list",
        "-t users",
        "-nC",
        "--no-comments",
        "--use-list=x",
        "-1",
        "-e",
    ] {
        assert!(!refused(&restore::TOOL, words), "{words}");
    }
}
