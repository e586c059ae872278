//! Every help page, as `pgstow help` prints it on a terminal of 100 columns: `tests/snapshots/help/`.

use crate::snapshots::assert_matches;
use crate::tree::files;
use std::collections::BTreeSet;

/// Every page: its name, and its text.
pub fn pages() -> Vec<(String, String)> {
    let mut all = pgstow::cli::command().term_width(100);
    all.build();
    let mut pages = vec![
        ("pgstow.short".to_owned(), all.render_help().to_string()),
        ("pgstow.long".to_owned(), all.render_long_help().to_string()),
    ];
    for verb in all.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        let name = verb.get_name().to_owned();
        pages.push((format!("{name}.short"), verb.render_help().to_string()));
        pages.push((format!("{name}.long"), verb.render_long_help().to_string()));
    }
    pages
}

#[test]
fn help_changes_only_on_purpose() {
    let pages = pages();
    for (name, text) in &pages {
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{name} is wider than 100 columns");
        assert_matches("help", name, text);
    }
    let kept: BTreeSet<_> = files("tests/snapshots/help", ".snap").into_iter().collect();
    let pages = pages.iter().map(|(name, _)| format!("tests/snapshots/help/{name}.snap")).collect();
    assert_eq!(kept, pages, "a page is kept that no verb has");
}
