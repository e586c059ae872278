//! The state of the catalogues that `pg_dump` reads definitions from: equal as long as nothing is defined or dropped.

use crate::error::Result;
use crate::postgres::tools::Psql;

/// Everything that is defined in one database, as a number of rows and a sum of hashes of each row's identity
/// and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogState(String);

/// Catalogues in which every row counts.
const WHOLE: [&str; 27] = [
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_cast",
    "pg_collation",
    "pg_conversion",
    "pg_default_acl",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_range",
    "pg_statistic_ext",
    "pg_transform",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
];

/// Catalogues with rows of temporary tables, which come and go and are never dumped: the rows that count.
const WITHOUT_TEMPORARY: [(&str, &str); 10] = [
    ("pg_class", "relpersistence <> 't' AND relnamespace NOT IN (SELECT oid FROM temporary)"),
    ("pg_attribute", "attrelid NOT IN (SELECT oid FROM passing)"),
    ("pg_attrdef", "adrelid NOT IN (SELECT oid FROM passing)"),
    ("pg_constraint", "conrelid NOT IN (SELECT oid FROM passing)"),
    ("pg_index", "indrelid NOT IN (SELECT oid FROM passing)"),
    ("pg_inherits", "inhrelid NOT IN (SELECT oid FROM passing)"),
    ("pg_namespace", "oid NOT IN (SELECT oid FROM temporary)"),
    ("pg_rewrite", "ev_class NOT IN (SELECT oid FROM passing)"),
    ("pg_trigger", "tgrelid NOT IN (SELECT oid FROM passing)"),
    ("pg_type", "typnamespace NOT IN (SELECT oid FROM temporary)"),
];

impl CatalogState {
    /// Reads the state as it is now.
    pub async fn read(psql: &Psql) -> Result<Self> {
        let [state]: [String; 1] = psql.query(&question()).await?;
        Ok(Self(state))
    }
}

/// A row's place in its table, and the transaction that wrote it, distinguish it from its other versions.
fn question() -> String {
    let one = |table: &str, which: &str| {
        format!(
            "SELECT '{table}' AS catalog, count(*) AS rows, \
             sum(hashtextextended(ctid::text || ' ' || xmin::text, 0)) AS versions FROM {table} WHERE {which}"
        )
    };
    let whole = WHOLE.iter().map(|table| one(table, "true"));
    let all: Vec<String> = whole.chain(WITHOUT_TEMPORARY.map(|(table, which)| one(table, which))).collect();
    format!(
        "WITH temporary AS (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_'), \
         passing AS (SELECT oid FROM pg_class WHERE relpersistence = 't') \
         SELECT json_build_array(string_agg(concat_ws(' ', catalog, rows, versions), ', ' ORDER BY catalog)) \
         FROM ({}) AS state;",
        all.join(" UNION ALL ")
    )
}
