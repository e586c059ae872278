//! Extensions that the server must load when it starts, and that must not do anything in a temporary cluster.

/// Each is the name of its library too.
const PRELOADED: [&str; 7] =
    ["timescaledb", "pg_cron", "pg_qualstats", "pg_stat_kcache", "pg_wait_sampling", "pgaudit", "pglogical"];

/// What a server is set to for those of these extensions that it must load; nothing if there is none.
///
/// Their background workers are not started: they would run jobs, and change the rows that are compared.
pub(super) fn settings(extensions: &[String], database: &str) -> Vec<String> {
    let is_loaded = |library: &&str| extensions.iter().any(|name| name == library);
    let libraries: Vec<&str> = PRELOADED.into_iter().filter(is_loaded).collect();
    if libraries.is_empty() {
        return Vec::new();
    }
    vec![
        format!("shared_preload_libraries={}", libraries.join(",")),
        "max_worker_processes=0".to_owned(),
        format!("cron.database_name={database}"),
        "timescaledb.telemetry_level=off".to_owned(),
        "timescaledb.max_background_workers=0".to_owned(),
    ]
}
