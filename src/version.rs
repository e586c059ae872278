//! Which pgstow this is: its version, the commit it was built from, the features that were chosen.

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit, if it was known when this was built: `build.rs` asks.
pub const COMMIT: Option<&str> = match option_env!("PGSTOW_COMMIT") {
    Some(commit) if !commit.is_empty() => Some(commit),
    _ => None,
};
/// The optional features of Cargo.toml that it was built with.
pub const FEATURES: &[&str] = match (cfg!(feature = "gcs"), cfg!(feature = "otlp")) {
    (true, true) => &["gcs", "otlp"],
    (true, false) => &["gcs"],
    (false, true) => &["otlp"],
    (false, false) => &[],
};

/// All of it, a line each, without the program's name.
pub fn long() -> String {
    let features = if FEATURES.is_empty() { "none".to_owned() } else { FEATURES.join(", ") };
    format!("{VERSION}\ncommit: {}\nfeatures: {features}", COMMIT.unwrap_or("unknown"))
}
