//! A target's database that was there before: what somebody has said of it stays, and how its text differs from the
//! backup's is reported.

use super::Target;
use crate::error::{Error, Result};
use crate::postgres::change::content::is_furnished;
use crate::postgres::server::Locale;
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::Psql;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Since this major the schema `public` of a new database belongs to its owner, and not everybody may create in it.
const PUBLIC_IS_OWNED: u32 = 15;

/// The schemas that a database has before it is filled, as the restoring role finds them.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Schemas {
    /// All of them.
    all: BTreeSet<String>,
    /// Those that it may treat as its own.
    own: BTreeSet<String>,
    /// A schema, and a role that may create in it.
    creators: BTreeSet<(String, String)>,
    /// Those that everybody may create in.
    #[serde(default)]
    open: BTreeSet<String>,
}

impl Schemas {
    /// Those of a database that is yet to be made.
    fn of_new(major: u32) -> Self {
        let public = BTreeSet::from(["public".to_owned()]);
        if major < PUBLIC_IS_OWNED {
            Self { all: public.clone(), open: public, ..Self::default() }
        } else {
            Self { all: public.clone(), own: public, ..Self::default() }
        }
    }

    /// Says whether there is such a schema.
    pub fn has(&self, schema: &str) -> bool {
        self.all.contains(schema)
    }

    /// Says whether the restoring role may treat this schema as its own.
    pub fn has_own(&self, schema: &str) -> bool {
        self.own.contains(schema)
    }

    /// Says whether this role may create in this schema.
    pub fn lets_create(&self, schema: &str, role: &str) -> bool {
        self.open.contains(schema) || self.creators.contains(&(schema.to_owned(), role.to_owned()))
    }
}

/// What somebody has said of a database.
#[derive(Debug, Clone, Deserialize)]
pub struct OwnProperties {
    /// Whether rights on it were granted or revoked.
    pub grants: bool,
    /// Whether it has a comment or a security label.
    pub remarks: bool,
    /// Whether it has a connection limit.
    pub limit: bool,
    /// The role, or nothing for everybody, and the parameter that is set for it.
    settings: Vec<(String, String)>,
}

impl OwnProperties {
    /// Whether a parameter is set for this role, or for everybody if it is empty.
    pub fn sets(&self, role: &str, parameter: &str) -> bool {
        self.settings.iter().any(|(whose, name)| whose == role && name.eq_ignore_ascii_case(parameter))
    }
}

/// What is in a database that is somebody's, besides what extensions made.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Taken {
    /// Its schemas, those of extensions too: whether each belongs to this role, and whether this role may create in it.
    pub schemas: BTreeMap<String, (bool, bool)>,
    /// Tables and all that shares its names with them, views, sequences and types: schema and name.
    pub relations: BTreeSet<(String, String)>,
    /// Functions, procedures and aggregates: schema, and name with the types of the arguments.
    pub functions: BTreeSet<(String, String)>,
    /// Event triggers.
    pub event_triggers: BTreeSet<String>,
    /// Extensions.
    pub extensions: BTreeSet<String>,
    /// Whether the service puts things into each database in this role's name.
    pub is_furnished: bool,
    /// What hangs on tables in schemas of others (triggers, policies, constraints, rules, columns): the schema, the table's name
    /// and its own.
    pub parts: BTreeSet<(String, String, String)>,
    /// Tables in schemas of others that this role may make triggers on, and sequences there that it may read and set.
    pub usable: BTreeSet<(String, String)>,
}

impl Taken {
    /// What is in the database that this is connected to.
    pub async fn of(psql: &Psql) -> Result<Self> {
        psql.query(&TAKEN.replace("{is_furnished}", &is_furnished())).await
    }
}

/// The triggers, policies and rules of the database that this is connected to: schema and name of the table, and their own.
pub async fn parts_of_tables(psql: &Psql) -> Result<BTreeSet<(String, String, String)>> {
    psql.query(PARTS).await
}

/// A schema and the name of something in it.
pub type SchemaAndName = (String, String);

/// Which of these tables and functions, by schema and name, the database has that this is connected to; those of extensions
/// too.
pub async fn existing(psql: &Psql, names: &[SchemaAndName]) -> Result<BTreeSet<SchemaAndName>> {
    let pair = |(schema, name): &SchemaAndName| format!("({}, {})", literal(schema), literal(name));
    psql.query(&EXISTING.replace("{names}", &names.iter().map(pair).collect::<Vec<_>>().join(", "))).await
}

impl Target {
    /// Says whether the database is somebody's: neither made by this run nor in a branch or a cluster of it.
    pub fn is_given(&self) -> bool {
        self.exists && !self.created && !self.named_at_once
    }

    /// Asks what somebody has said of the database.
    pub async fn own_properties(&self) -> Result<OwnProperties> {
        self.maintenance.query(&OWN.replace("{name}", &literal(&self.called))).await
    }

    /// Refuses a database that takes bytes for text, if the backup's text has an encoding: nothing would convert it.
    pub async fn refuse_bytes(&self, encoding: Option<&str>) -> Result<()> {
        let Some(encoding) = encoding.filter(|encoding| self.exists && *encoding != BYTES) else {
            return Ok(());
        };
        if self.locale().await?.encoding.as_deref() != Some(BYTES) {
            return Ok(());
        }
        let name = identifier(&self.name);
        Err(Error::postgres(format!(
            "{name} has the encoding {BYTES}, so it would take the backup's {encoding} as bytes without a meaning"
        ))
        .hint("name a database that does not exist yet: it is created with the encoding of the backup"))
    }

    /// What others have in a database that is somebody's, as nothing else is in it; nothing in one of this run's own.
    pub async fn taken(&self) -> Result<Taken> {
        if !self.is_given() {
            return Ok(Taken::default());
        }
        Taken::of(&self.psql).await
    }

    /// Which of these tables and functions the database has already.
    pub async fn existing(&self, names: &[SchemaAndName]) -> Result<BTreeSet<SchemaAndName>> {
        if self.exists { existing(&self.psql, names).await } else { Ok(BTreeSet::new()) }
    }

    /// The publications of this role in a database that is somebody's, which tables can be added to.
    pub async fn own_publications(&self) -> Result<Vec<String>> {
        if self.is_given() { self.psql.query(PUBLICATIONS).await } else { Ok(Vec::new()) }
    }

    /// The schemas of the extensions in a database that is somebody's.
    pub async fn schemas_of_extensions(&self) -> Result<BTreeMap<String, String>> {
        if !self.is_given() {
            return Ok(BTreeMap::new());
        }
        self.psql.query(EXTENSIONS).await
    }

    /// The schemas that the database has already, or will have when it is made.
    pub async fn schemas(&self) -> Result<Schemas> {
        if self.exists { self.psql.query(SCHEMAS).await } else { Ok(Schemas::of_new(self.version().major)) }
    }

    /// Reports in one line how the text in a database that is somebody's differs from what is expected.
    pub(super) async fn compare(&self, expected: &Locale) -> Result<()> {
        if !self.is_given() {
            return Ok(());
        }
        let differences = expected.differences(&self.locale().await?);
        if !differences.is_empty() {
            tracing::warn!(
                "{} exists, and is not as the backup's database was: {}; text may be refused, or sorted differently",
                identifier(&self.name),
                differences.join(", ")
            );
        }
        Ok(())
    }

    async fn locale(&self) -> Result<Locale> {
        self.maintenance.query(&LOCALE.replace("{name}", &literal(&self.called))).await
    }
}

/// The encoding that is none.
const BYTES: &str = "SQL_ASCII";

const OWN: &str = "
SELECT json_build_object(
  'grants', datacl IS NOT NULL,
  'remarks', shobj_description(oid, 'pg_database') IS NOT NULL
             OR EXISTS (SELECT FROM pg_shseclabel WHERE classoid = 'pg_database'::regclass AND objoid = d.oid),
  'limit', datconnlimit <> -1,
  'settings', (SELECT coalesce(json_agg(json_build_array(coalesce(rolname, ''), split_part(pair, '=', 1))), '[]')
               FROM pg_db_role_setting LEFT JOIN pg_roles r ON r.oid = setrole, unnest(setconfig) pair
               WHERE setdatabase = d.oid))
FROM pg_database d WHERE datname = {name};";

const EXISTING: &str = "
SELECT coalesce(json_agg(json_build_array(nspname, name)), '[]') FROM (
    SELECT relnamespace AS schema, relname AS name FROM pg_class UNION ALL SELECT pronamespace, proname FROM pg_proc) AS one
  JOIN pg_namespace n ON n.oid = schema WHERE (nspname, name) IN ({names});";

const TAKEN: &str = "
WITH place AS (SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
  theirs AS (SELECT c.oid, nspname, relname, relkind FROM pg_class c JOIN place p ON relnamespace = p.oid
             WHERE NOT pg_has_role(nspowner, 'MEMBER') AND NOT has_schema_privilege(p.oid, 'CREATE')),
  made AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
SELECT json_build_object(
  'schemas', (SELECT coalesce(json_object_agg(nspname, json_build_array(pg_has_role(nspowner, 'MEMBER'),
                                                                        has_schema_privilege(oid, 'CREATE'))), '{}') FROM place),
  'relations', (SELECT coalesce(json_agg(json_build_array(nspname, name)), '[]') FROM place JOIN (
      SELECT relnamespace AS schema, relname AS name, 'pg_class'::regclass AS catalog, oid AS id FROM pg_class
      UNION ALL
      SELECT typnamespace, typname, 'pg_type'::regclass, oid FROM pg_type WHERE typrelid = 0 AND typelem = 0) AS one
    ON schema = oid WHERE (catalog, id) NOT IN (SELECT classid, objid FROM made)),
  'functions', (SELECT coalesce(json_agg(json_build_array(nspname, proname || '(' ||
      CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*' ELSE oidvectortypes(proargtypes) END || ')')), '[]') FROM place
    JOIN pg_proc f ON pronamespace = place.oid
    WHERE ('pg_proc'::regclass, f.oid) NOT IN (SELECT classid, objid FROM made)),
  'event_triggers', (SELECT coalesce(json_agg(evtname), '[]') FROM pg_event_trigger),
  'extensions', (SELECT coalesce(json_agg(extname), '[]') FROM pg_extension),
  'is_furnished', {is_furnished},
  'parts', (SELECT coalesce(json_agg(json_build_array(nspname, relname, name)), '[]') FROM theirs JOIN (
      SELECT tgrelid AS id, tgname AS name FROM pg_trigger
      UNION ALL SELECT polrelid, polname FROM pg_policy
      UNION ALL SELECT conrelid, conname FROM pg_constraint
      UNION ALL SELECT ev_class, rulename FROM pg_rewrite
      UNION ALL SELECT attrelid, attname FROM pg_attribute WHERE attnum > 0) AS part ON id = theirs.oid),
  'usable', (SELECT coalesce(json_agg(json_build_array(nspname, relname)), '[]') FROM theirs
             WHERE CASE WHEN relkind IN ('r', 'p', 'v') THEN has_table_privilege(oid, 'TRIGGER')
                        WHEN relkind = 'S' THEN has_sequence_privilege(oid, 'UPDATE') AND has_sequence_privilege(oid, 'SELECT') END));";

const PARTS: &str = "
SELECT coalesce(json_agg(json_build_array(nspname, relname, name)), '[]')
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN (
    SELECT tgrelid AS id, tgname AS name FROM pg_trigger UNION ALL SELECT polrelid, polname FROM pg_policy
    UNION ALL SELECT ev_class, rulename FROM pg_rewrite
    UNION ALL SELECT conrelid, conname FROM pg_constraint WHERE contype = 'f') AS part ON id = c.oid
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema';";

const PUBLICATIONS: &str = "
SELECT coalesce(json_agg(pubname), '[]') FROM pg_publication
 WHERE pg_has_role(pubowner, 'USAGE') AND NOT puballtables;";

const EXTENSIONS: &str = "
SELECT coalesce(json_object_agg(extname, nspname), '{}') FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace;";

const SCHEMAS: &str = "
SELECT json_build_object(
  'all', (SELECT coalesce(json_agg(nspname), '[]') FROM pg_namespace),
  'own', (SELECT coalesce(json_agg(nspname), '[]') FROM pg_namespace WHERE pg_has_role(nspowner, 'USAGE')),
  'creators', (SELECT coalesce(json_agg(json_build_array(nspname, rolname)), '[]') FROM pg_namespace n, pg_roles r
               WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege(r.oid, n.oid, 'CREATE')));";

/// As JSON, a row has only the columns that this major knows.
const LOCALE: &str = "
SELECT json_build_object(
  'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype,
  'provider', CASE provider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
  'icu_locale', CASE provider WHEN 'i' THEN coalesce(one ->> 'datlocale', one ->> 'daticulocale') END,
  'icu_rules', one ->> 'daticurules',
  'builtin_locale', CASE provider WHEN 'b' THEN one ->> 'datlocale' END)
FROM (SELECT d.encoding, d.datcollate, d.datctype, to_jsonb(d) AS one, to_jsonb(d) ->> 'datlocprovider' AS provider
      FROM pg_database d WHERE datname = {name}) AS d;";
