//! Whether values of enums were renamed while their rows were read.
//!
//! A row has the number of a value, and the server writes the name that the value has at that moment, whatever the snapshot
//! is. `ALTER TYPE … RENAME VALUE` waits for no lock on a table, so it can come at any time. A value that is added disturbs
//! nobody: no row of an older snapshot has it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Result;
use crate::postgres::tools::Psql;

/// The values of all enums at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Enums {
    /// Which transaction wrote each.
    written: BTreeMap<u32, u32>,
}

#[derive(Deserialize)]
struct Renamed {
    /// The enum, as SQL, that has a renamed value.
    first: Option<String>,
}

impl Enums {
    /// Asks which there are.
    pub async fn now(psql: &Psql) -> Result<Self> {
        let question = "SELECT json_build_object('written', \
            (SELECT coalesce(json_object_agg(oid, xmin::text::bigint), '{}') FROM pg_enum));";
        psql.query(question).await
    }

    /// Finds an enum that has a value that was renamed since.
    pub async fn renamed_since(&self, psql: &Psql) -> Result<Option<String>> {
        if self.written.is_empty() {
            return Ok(None);
        }
        let list = |numbers: Vec<String>| numbers.join(",");
        let question = format!(
            "SELECT json_build_object('first', (SELECT min(format('%I.%I', n.nspname, t.typname)) \
               FROM unnest('{{{}}}'::oid[], '{{{}}}'::bigint[]) AS had (value, xid) \
               JOIN pg_enum e ON e.oid = value JOIN pg_type t ON t.oid = e.enumtypid \
               JOIN pg_namespace n ON n.oid = t.typnamespace WHERE e.xmin::text::bigint <> xid));",
            list(self.written.keys().map(u32::to_string).collect()),
            list(self.written.values().map(u32::to_string).collect()),
        );
        let Renamed { first } = psql.query(&question).await?;
        Ok(first)
    }
}
