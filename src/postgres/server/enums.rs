//! Whether values of enums were renamed while their rows were read.
//!
//! A row has the number of a value, and the server writes the name that the value has at that moment, whatever the snapshot
//! is. `ALTER TYPE … RENAME VALUE` waits for no lock on a table, so it can come at any time. A value that is added disturbs
//! nobody: no row of an older snapshot has it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Result;
use crate::postgres::sql::list;
use crate::postgres::tools::Psql;

/// The values of all enums at some moment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Enums {
    values: BTreeMap<u32, Value>,
}

/// Which transaction wrote a value, a hash of its name, and its place among the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Value(u32, i32, f32);

#[derive(Deserialize)]
struct Renamed {
    /// The enum, as SQL, that has a renamed value.
    first: Option<String>,
}

impl Enums {
    /// SQL for those that the question sees.
    pub const SQL: &str = "json_build_object('values', (SELECT coalesce(json_object_agg(oid, \
        json_build_array(xmin::text::bigint, hashtext(enumlabel::text), enumsortorder)), '{}') FROM pg_enum))";

    /// Asks which there are.
    pub async fn now(psql: &Psql) -> Result<Self> {
        psql.query(&format!("SELECT {};", Self::SQL)).await
    }

    /// Finds an enum that has a value that was renamed since: one of any table, or one of these.
    ///
    /// A value that was written anew has another name, or another place: if many are added in between, the server numbers
    /// them all anew. One that has neither was renamed twice.
    pub async fn renamed_since(&self, psql: &Psql, tables: Option<&[u32]>) -> Result<Option<String>> {
        if self.values.is_empty() || tables.is_some_and(<[u32]>::is_empty) {
            return Ok(None);
        }
        let used = tables.map_or_else(|| "true".to_owned(), used_by);
        let question = format!(
            "SELECT json_build_object('first', (SELECT min(format('%I.%I', n.nspname, t.typname)) \
               FROM unnest('{{{}}}'::oid[], '{{{}}}'::bigint[], '{{{}}}'::int[], '{{{}}}'::real[]) \
                 AS had (value, xid, name, place) \
               JOIN pg_enum e ON e.oid = value JOIN pg_type t ON t.oid = e.enumtypid \
               JOIN pg_namespace n ON n.oid = t.typnamespace WHERE e.xmin::text::bigint <> xid \
                 AND (hashtext(enumlabel::text) <> name OR enumsortorder = place) AND {used}));",
            list(self.values.keys()),
            list(self.values.values().map(|value| value.0)),
            list(self.values.values().map(|value| value.1)),
            list(self.values.values().map(|value| value.2)),
        );
        let Renamed { first } = psql.query(&question).await?;
        Ok(first)
    }
}

/// SQL for whether rows of these tables can have values of the enum `e.enumtypid`: in a column, an array, a domain, a range,
/// or a column of one of these.
fn used_by(tables: &[u32]) -> String {
    format!(
        "e.enumtypid IN (WITH RECURSIVE used (type) AS ( \
           SELECT atttypid FROM pg_attribute WHERE attrelid = ANY ('{{{}}}'::oid[]) \
           UNION SELECT part.type FROM used JOIN pg_type outer_type ON outer_type.oid = used.type, \
             LATERAL (SELECT refobjid FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = outer_type.oid \
                 AND refclassid = 'pg_type'::regclass \
               UNION ALL SELECT atttypid FROM pg_attribute WHERE attrelid = outer_type.typrelid) AS part (type)) \
         SELECT type FROM used)",
        list(tables)
    )
}
