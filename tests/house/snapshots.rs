//! Texts that are kept in `tests/snapshots/`, so that they change only on purpose.

/// Compares a text with the one that is kept.
///
/// If they differ, the new one is written next to it, as `….snap.new`: rename it, or run the test with
/// `INSTA_UPDATE=always` to take it over.
#[track_caller]
pub fn assert_matches(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(crate::tree::repository().join("tests/snapshots").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    settings.bind(|| insta::assert_snapshot!(name, text.join("\n")));
}
