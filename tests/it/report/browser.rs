//! The page in Chromium: on a phone and on a desktop, light and dark, looked at by axe.

use super::{HOSTILE, HOSTILE_TABLE, Past};
use crate::harness::repository;
use crate::servers::fetched;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const CHROMIUM: &str = "/usr/bin/chromium";

#[test]
fn everyone_can_read_the_page_on_every_screen() {
    if !Path::new(CHROMIUM).exists() {
        crate::skip!("Chromium is not installed: the page of `report` is not looked at");
    }
    let folder = TempDir::new().unwrap();
    let page = folder.path().join("report.html");
    let words = ["-o", page.to_str().unwrap(), "--keep-daily", "7", "--min-keep", "1"];
    Past::shared().report(&words).succeeds();
    // They stay, to be looked at.
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&shots).unwrap();
    let output = Command::new("python3")
        .arg(repository("tests/it/report/browser.py"))
        .arg(CHROMIUM)
        .args([&page, &fetched("axe-core/axe.min.js"), &shots])
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let looks: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(looks.len(), 4);
    for look in &looks {
        let what = format!("{} {}", look["width"], look["scheme"]);
        assert_eq!(look["violations"], Value::Array(vec![]), "{what}");
        assert_eq!(look["overflow"], 0, "{what}: the page is wider than the screen");
        let requests = look["requests"].as_array().unwrap();
        assert!(requests.len() == 1 && requests[0].as_str().unwrap().starts_with("file:"), "{requests:?}");
        // Nothing of what is hostile became markup.
        assert_eq!((&look["scripts"], &look["alerted"]), (&0.into(), &false.into()), "{what}");
        assert!(look["headings"].to_string().contains(HOSTILE), "{}", look["headings"]);
        let text = look["text"].as_str().unwrap();
        assert!(text.contains(HOSTILE_TABLE), "{text}");
        assert!(text.contains("Last proof") && text.contains("Proven backup"), "{text}");
        assert!(text.contains("1 gap") && text.contains("The next prune removes 10 backups"), "{text}");
        assert!(
            look["focusable"].as_u64().unwrap() > 6,
            "{what}: links, folds and tables can be reached by keys"
        );
    }
    let ground = |scheme: &str| &looks.iter().find(|look| look["scheme"] == scheme).unwrap()["ground"];
    assert_ne!(ground("light"), ground("dark"));
}
