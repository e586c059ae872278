//! What helps whoever typed a command line that cannot be understood.

/// What to say of a connection string at a place that takes none, if the verb has a flag for it.
pub fn tip(text: &str) -> Option<&'static str> {
    let is_url = text.contains("unexpected argument 'postgres://")
        || text.contains("unexpected argument 'postgresql://");
    (is_url && text.contains("--to <URL>")).then_some("tip: the database to restore into is named with --to")
}
