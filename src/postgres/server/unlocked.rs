//! Whether something was changed that no lock on a table keeps as it is, so that other rows are read than the definitions
//! say: names of schemas, by which tables are read, and types, by which rows are written.
//!
//! `ALTER SCHEMA … RENAME` waits for no lock on the tables in it. If another schema has got the name meanwhile, the rows of
//! another table are read, and nobody fails.
//!
//! A row has the number of an enum's value, and the server writes the name that the value has at that moment, whatever the
//! snapshot is. It writes a composite value with the attributes that its type has at that moment. `ALTER TYPE … RENAME
//! VALUE`, `… ADD ATTRIBUTE` and `… DROP ATTRIBUTE` wait for no lock on a table, so they can come at any time. A value
//! that is added to an enum disturbs nobody: no row of an older snapshot has it. Nor does the name of an attribute, which
//! no row has.

use std::collections::BTreeMap;

use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};

use crate::error::{Error, Result};
use crate::postgres::sql::{list, literal};
use crate::postgres::tools::Psql;
use crate::postgres::tools::psql::read;
use crate::postgres::tools::session::Session;

/// The names of schemas at some moment, and the types whose values are not written from what a row has alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Unlocked {
    /// A hash of each schema's name.
    schemas: BTreeMap<u32, i32>,
    /// The values of all enums.
    values: BTreeMap<u32, Value>,
    /// The attributes of all composite types that are no table's: numbers, which are given only once, and types.
    composites: BTreeMap<u32, String>,
}

/// Which transaction wrote a value, a hash of its name, and its place among the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Value(u32, i32, f32);

/// The same, and locks on some of the tables that are read, for as long as this lives: whoever needs such a table for himself, to
/// drop its schema and to give another its name, waits until it was asked whether anything was changed.
pub struct Kept {
    unlocked: Unlocked,
    /// The tables with rows.
    tables: Vec<u32>,
    /// The session with the locks; nothing if it could not have them at once.
    session: Mutex<Option<Session>>,
    /// Why the rows do not fit, once that was asked.
    asked: OnceCell<Option<Error>>,
}

impl Kept {
    /// Asks whether the rows of the tables, which were read, are theirs, and written as these types were. Lets go of the locks
    /// after that. Whoever asks again gets the same answer.
    ///
    /// # Errors
    /// If a schema or a type was changed. If that cannot be asked, there is only a warning: the dump itself is whole.
    pub async fn fit(&self, psql: &Psql) -> Result<()> {
        let ask = async || {
            let mut session = self.session.lock().await.take();
            self.unlocked.fit(psql, session.as_mut(), &self.tables).await.err()
        };
        self.asked.get_or_init(ask).await.clone().map_or(Ok(()), Err)
    }

    /// What was changed since of any type.
    pub async fn changed_type(&self, psql: &Psql) -> Result<Option<String>> {
        self.unlocked.changed_type(psql).await
    }
}

/// The first of each kind, as SQL, that was changed.
#[derive(Deserialize)]
struct Changed {
    schema: Option<String>,
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

impl Unlocked {
    /// SQL for those that the question sees.
    pub const SQL: &str = concat!(
        "json_build_object('schemas', (SELECT coalesce(json_object_agg(oid, hashtext(nspname::text)), '{}') FROM pg_namespace \
           WHERE nspname !~ '^pg_'), 'values', (SELECT coalesce(json_object_agg(oid, \
           json_build_array(xmin::text::bigint, hashtext(enumlabel::text), enumsortorder)), '{}') FROM pg_enum), \
         'composites', (SELECT coalesce(json_object_agg(reltype, ",
        attributes!("c.oid"),
        "), '{}') FROM pg_class c WHERE relkind = 'c'))"
    );

    /// Asks how they are.
    pub async fn now(psql: &Psql) -> Result<Self> {
        psql.query(&format!("SELECT {};", Self::SQL)).await
    }

    /// Locks some of the tables with rows, named as SQL, in a session of its own; nobody is waited for, not even whether it has
    /// them.
    pub async fn keep(self, psql: &Psql, tables: Vec<u32>, some: &[String]) -> Kept {
        let only: Vec<String> = some.iter().map(|table| format!("ONLY {table}")).collect();
        let orders = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT;",
            only.join(", ")
        );
        let session = if some.is_empty() { None } else { Session::open(psql, &orders).await.ok() };
        Kept { unlocked: self, tables, session: Mutex::new(session), asked: OnceCell::new() }
    }

    async fn fit(&self, psql: &Psql, session: Option<&mut Session>, tables: &[u32]) -> Result<()> {
        if tables.is_empty() {
            return Ok(());
        }
        let question = self.question(Some(tables));
        let kept = match session {
            Some(session) => session.ask(&question).await.and_then(|answer| read(answer.as_bytes())).ok(),
            None => None,
        };
        let answer = match kept {
            Some(changed) => Ok(changed),
            None => psql.query(&question).await,
        };
        let Changed { schema, an_enum, composite } = match answer {
            Ok(changed) => changed,
            Err(error) => {
                tracing::warn!(
                    "whether schemas or types were changed while rows were read is not known: {error}"
                );
                return Ok(());
            }
        };
        if let Some(name) = schema {
            return Err(Error::postgres(format!(
                "the schema {name} was renamed while rows were read: some may be those of another table"
            ))
            .hint("do it again, and rename schemas (ALTER SCHEMA) when nothing reads the database"));
        }
        match of_type(an_enum, composite) {
            None => Ok(()),
            Some(what) => Err(Error::postgres(format!(
                "{what} while rows were read: some may be written as the type is now, and its definition is the old one"
            ))
            .hint("do it again, and change types (ALTER TYPE) when nothing reads the database")),
        }
    }

    /// What was changed since of any type.
    pub async fn changed_type(&self, psql: &Psql) -> Result<Option<String>> {
        if self.values.is_empty() && self.composites.is_empty() {
            return Ok(None);
        }
        let Changed { schema: _, an_enum, composite } = psql.query(&self.question(None)).await?;
        Ok(of_type(an_enum, composite))
    }

    /// Asks what was changed since: of any schema and type, or of those that these tables are in, and that their rows can have.
    ///
    /// A value of an enum that was written anew has another name, or another place: if many are added in between, the
    /// server numbers them all anew. One that has neither was renamed twice. Of a schema that was renamed and has its name
    /// again nothing is known: whoever grants what was granted already leaves the same traces.
    fn question(&self, tables: Option<&[u32]>) -> String {
        let holds = tables.map_or_else(
            || "true".to_owned(),
            |tables| {
                format!(
                    "n.oid IN (SELECT relnamespace FROM pg_class WHERE oid = ANY ('{{{}}}'::oid[]))",
                    list(tables)
                )
            },
        );
        let used = tables.map_or_else(|| "true".to_owned(), used_by);
        format!(
            concat!(
                "SELECT json_build_object('schema', (SELECT min(format('%I', n.nspname)) \
                   FROM unnest('{{{}}}'::oid[], '{{{}}}'::int[]) AS had (schema, name) \
                   JOIN pg_namespace n ON n.oid = schema WHERE hashtext(n.nspname::text) <> name AND {holds}), \
                 'an_enum', (SELECT min(format('%I.%I', n.nspname, t.typname)) \
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
            list(self.schemas.keys()),
            list(self.schemas.values()),
            list(self.values.keys()),
            list(self.values.values().map(|value| value.0)),
            list(self.values.values().map(|value| value.1)),
            list(self.values.values().map(|value| value.2)),
            list(self.composites.keys()),
            literal(&format!("{{{}}}", list(self.composites.values()))),
            used = used,
            holds = holds,
        )
    }
}

/// What was changed of a type.
fn of_type(an_enum: Option<String>, composite: Option<String>) -> Option<String> {
    let renamed = an_enum.map(|name| format!("a value of the enum {name} was renamed"));
    renamed.or_else(|| composite.map(|name| format!("the composite type {name} got other attributes")))
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
