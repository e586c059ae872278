//! Whether types were changed so that rows, while they are read, are written in another way than their definitions say.
//!
//! A row has the number of an enum's value, and the server writes the name that the value has at that moment, whatever the
//! snapshot is. It writes a composite value with the attributes that its type has at that moment. `ALTER TYPE … RENAME
//! VALUE`, `… ADD ATTRIBUTE` and `… DROP ATTRIBUTE` wait for no lock on a table, so they can come at any time. A value
//! that is added to an enum disturbs nobody: no row of an older snapshot has it. Nor does the name of an attribute, which
//! no row has.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::postgres::sql::{list, literal};
use crate::postgres::tools::Psql;

/// The types at some moment whose values are not written from what a row has alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Types {
    /// The values of all enums.
    values: BTreeMap<u32, Value>,
    /// The attributes of all composite types that are no table's: numbers, which are given only once, and types.
    composites: BTreeMap<u32, String>,
}

/// Which transaction wrote a value, a hash of its name, and its place among the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Value(u32, i32, f32);

/// The first type of each kind, as SQL, that was changed.
#[derive(Deserialize)]
struct Changed {
    an_enum: Option<String>,
    composite: Option<String>,
}

/// SQL for the attributes of the composite type whose relation is `{}`.
macro_rules! attributes {
    ($relation:literal) => {
        concat!(
            "(SELECT concat(':', string_agg(attnum || ' ' || atttypid, ';' ORDER BY attnum)) FROM pg_attribute \
               WHERE attrelid = ",
            $relation,
            " AND attnum > 0 AND NOT attisdropped)"
        )
    };
}

impl Types {
    /// SQL for those that the question sees.
    pub const SQL: &str = concat!(
        "json_build_object('values', (SELECT coalesce(json_object_agg(oid, \
           json_build_array(xmin::text::bigint, hashtext(enumlabel::text), enumsortorder)), '{}') FROM pg_enum), \
         'composites', (SELECT coalesce(json_object_agg(reltype, ",
        attributes!("c.oid"),
        "), '{}') FROM pg_class c WHERE relkind = 'c'))"
    );

    /// Asks how they are.
    pub async fn now(psql: &Psql) -> Result<Self> {
        psql.query(&format!("SELECT {};", Self::SQL)).await
    }

    /// Asks whether the rows of these tables, which were read, are written as these types were.
    ///
    /// # Errors
    /// If a type was changed. If that cannot be asked, there is only a warning: the dump itself is whole.
    pub async fn fit(&self, psql: &Psql, tables: &[u32]) -> Result<()> {
        match self.changed_since(psql, Some(tables)).await {
            Ok(None) => Ok(()),
            Ok(Some(what)) => Err(Error::postgres(format!(
                "{what} while rows were read: some may be written as the type is now, and its definition is the old one"
            ))
            .hint("do it again, and change types (ALTER TYPE) when nothing reads the database")),
            Err(error) => {
                tracing::warn!("whether types were changed while rows were read is not known: {error}");
                Ok(())
            }
        }
    }

    /// What was changed since, of any type, or of one that rows of these tables can have.
    ///
    /// A value of an enum that was written anew has another name, or another place: if many are added in between, the
    /// server numbers them all anew. One that has neither was renamed twice.
    pub async fn changed_since(&self, psql: &Psql, tables: Option<&[u32]>) -> Result<Option<String>> {
        let are_there = !(self.values.is_empty() && self.composites.is_empty());
        if !are_there || tables.is_some_and(<[u32]>::is_empty) {
            return Ok(None);
        }
        let used = tables.map_or_else(|| "true".to_owned(), used_by);
        let question = format!(
            concat!(
                "SELECT json_build_object('an_enum', (SELECT min(format('%I.%I', n.nspname, t.typname)) \
                   FROM unnest('{{{}}}'::oid[], '{{{}}}'::bigint[], '{{{}}}'::int[], '{{{}}}'::real[]) \
                     AS had (value, xid, name, place) \
                   JOIN pg_enum e ON e.oid = value JOIN pg_type t ON t.oid = e.enumtypid \
                   JOIN pg_namespace n ON n.oid = t.typnamespace WHERE e.xmin::text::bigint <> xid \
                     AND (hashtext(enumlabel::text) <> name OR enumsortorder = place) AND {used}), \
                 'composite', (SELECT min(format('%I.%I', n.nspname, t.typname)) \
                   FROM unnest('{{{}}}'::oid[], {}::text[]) AS had (type, attributes) \
                   JOIN pg_type t ON t.oid = had.type JOIN pg_namespace n ON n.oid = t.typnamespace \
                   WHERE attributes <> ",
                attributes!("t.typrelid"),
                " AND {used}));"
            ),
            list(self.values.keys()),
            list(self.values.values().map(|value| value.0)),
            list(self.values.values().map(|value| value.1)),
            list(self.values.values().map(|value| value.2)),
            list(self.composites.keys()),
            literal(&format!("{{{}}}", list(self.composites.values()))),
            used = used,
        );
        let Changed { an_enum, composite } = psql.query(&question).await?;
        let renamed = an_enum.map(|name| format!("a value of the enum {name} was renamed"));
        Ok(renamed
            .or_else(|| composite.map(|name| format!("the composite type {name} got other attributes"))))
    }
}

/// SQL for whether rows of these tables can have values of the type `t`: in a column, an array, a domain, a range, or a
/// column of one of these.
fn used_by(tables: &[u32]) -> String {
    format!(
        "t.oid IN (WITH RECURSIVE used (type) AS ( \
           SELECT atttypid FROM pg_attribute WHERE attrelid = ANY ('{{{}}}'::oid[]) \
           UNION SELECT part.type FROM used JOIN pg_type outer_type ON outer_type.oid = used.type, \
             LATERAL (SELECT refobjid FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = outer_type.oid \
                 AND refclassid = 'pg_type'::regclass \
               UNION ALL SELECT atttypid FROM pg_attribute WHERE attrelid = outer_type.typrelid) AS part (type)) \
         SELECT type FROM used)",
        list(tables)
    )
}
