//! Two databases exchange a name: the one in use is set aside, another takes its place.
//!
//! Both are renamed in one transaction, so that at every moment the name means the one or the other,
//! whole. Nothing is dropped here but what was set aside before, if that is asked for.

use serde::Deserialize;

use crate::error::{Error, Result};

pub use super::found::Found;
use super::lock::{Lock, sessions_left};
use super::naming::{SECOND, free_name, is_unfinished, moment, warn_of_incomplete};
use super::reach::MAINTENANCE;
use super::rename::{RESTORED, RESTORING, Renaming, is_stamp, renames};
use super::subscriptions::{Subscriptions, dropping};
use super::target::resume;
use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::failure::Situation;
use crate::postgres::server::refuse_standby;
use crate::postgres::sql::{LONGEST_NAME, identifier, literal};
use crate::postgres::tools::Psql;

/// Between the name and the moment in the name of a database that was set aside.
const BEFORE: &str = "_before_";

/// A server, and a name on it whose database can be exchanged.
pub struct Swap {
    live: String,
    /// The connecting role.
    user: String,
    /// When it was opened: the moment in the names of what is restored for it.
    stamp: String,
    /// Keeps other restores into the same name away, and other exchanges.
    _lock: Lock,
    maintenance: Psql,
    found: Vec<Found>,
}

/// How much of what belongs to the name goes over to the new database: owner, grants, settings, comment, connection limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inheritance {
    /// All; the owner only if it is the connecting role's so far.
    All,
    /// All but the owner, whom the restore gave it.
    AllButOwner,
    /// All, and grants, settings and comment of its own go.
    Instead,
    /// Nothing: it has had the name before.
    Nothing,
}

#[derive(Deserialize)]
struct State {
    user: String,
    in_recovery: bool,
    may_rename: bool,
    found: Vec<Found>,
}

impl Swap {
    fn renaming(&self) -> Renaming<'_> {
        Renaming { maintenance: &self.maintenance }
    }

    /// Reaches the server and looks at what there is; nothing is changed.
    ///
    /// # Errors
    /// `Kind::Locked` if another run is restoring into the same name, or exchanging it.
    pub async fn open(client: &Client, conn: &ConnInfo) -> Result<Self> {
        let live = conn.target_name()?.to_owned();
        let stamp = moment();
        if live.len() + RESTORING.len() + stamp.len() > LONGEST_NAME {
            return Err(Error::usage(format!(
                "the database's name {live:?} is too long to be swapped: with {RESTORING}{stamp} it has more than {LONGEST_NAME} bytes"
            ))
            .hint("restore into a database of another name, and rename it yourself"));
        }
        let (maintenance, state) = reach(&Psql::new(client, conn), &live).await?;
        refuse_standby(state.in_recovery)?;
        if !state.may_rename {
            return Err(Error::postgres(format!("the role {} may not rename databases", state.user))
                .hint("it needs CREATEDB"));
        }
        let lock = Lock::of_restore(&maintenance, sessions_left(&maintenance).await?, &live).await?;
        let (user, found) = (state.user, state.found);
        let mut swap = Self { live, user, stamp, _lock: lock, maintenance, found };
        // The names tell the second, and another run may have begun in the same.
        while [swap.restoring(), swap.restored()].iter().any(|name| swap.find(name).is_some()) {
            tokio::time::sleep(SECOND).await;
            swap.stamp = moment();
        }
        if let Some(live) = swap.live() {
            swap.check(live)?;
        }
        Ok(swap)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.live
    }

    /// The database that has the name now.
    pub fn live(&self) -> Option<&Found> {
        self.find(&self.live)
    }

    /// How a database is called while it is restored.
    pub fn restoring(&self) -> String {
        format!("{}{RESTORING}{}", self.live, self.stamp)
    }

    /// How a database is called that was restored and proven.
    fn restored(&self) -> String {
        format!("{}{RESTORED}{}", self.live, self.stamp)
    }

    /// The databases that had been set aside when it was opened.
    pub fn set_aside(&self) -> impl Iterator<Item = &Found> {
        self.with(BEFORE)
    }

    /// The database that was set aside last.
    pub fn last_before(&self) -> Option<&Found> {
        self.set_aside().max_by(|one, other| one.name.cmp(&other.name))
    }

    /// The databases that were set aside, without the newest `keep` of them: first the one that was `just` set aside,
    /// whatever the clocks of other machines have said.
    pub async fn too_old(&self, keep: usize, just: Option<&str>) -> Result<Vec<Found>> {
        let mut found = look(&self.maintenance, &self.live, &[]).await?.found;
        let start = format!("{}{BEFORE}", self.live);
        found.retain(|found| found.owned && found.name.strip_prefix(&start).is_some_and(is_stamp));
        let is_older = |found: &Found| Some(found.name.as_str()) != just;
        found.sort_by(|one, other| {
            is_older(one).cmp(&is_older(other)).then_with(|| other.name.cmp(&one.name))
        });
        Ok(found.into_iter().skip(keep).collect())
    }

    /// Drops a database that was set aside, if it is still that one, and nobody is in it.
    pub async fn drop_aside(&self, old: &Found) -> Result<()> {
        let known = old.known();
        let order = format!("{}DROP DATABASE {};", known.guard(), identifier(&known.name));
        dropping(&self.maintenance, &order, &known, Subscriptions::Disabled).await
    }

    /// Databases of runs that were ended before they knew whether all is there.
    pub fn unfinished(&self) -> impl Iterator<Item = &Found> {
        self.with(RESTORING)
    }

    /// Databases that are whole, and were not swapped in.
    pub fn ready(&self) -> impl Iterator<Item = &Found> {
        self.with(RESTORED)
    }

    fn with(&self, what: &str) -> impl Iterator<Item = &Found> {
        let start = format!("{}{what}", self.live);
        self.found.iter().filter(move |found| found.name.strip_prefix(&start).is_some_and(is_stamp))
    }

    fn find(&self, name: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.name == name)
    }

    /// Refuses what is certain to fail.
    fn check(&self, found: &Found) -> Result<()> {
        let (name, user) = (identifier(&found.name), &self.user);
        if !found.owned {
            return Err(Error::postgres(format!(
                "{name} belongs to {}, and {user} is not a member of that role: it may not rename it",
                found.owner
            ))
            .hint(format!("GRANT {} TO {}", identifier(&found.owner), identifier(user))));
        }
        found.refuse_template()?;
        if found.prepared > 0 {
            return Err(Error::postgres(format!(
                "{name} has {} prepared transactions, and cannot be renamed before they end",
                found.prepared
            ))
            .hint("pg_prepared_xacts lists them; COMMIT PREPARED or ROLLBACK PREPARED ends them"));
        }
        if !found.slots.is_empty() {
            tracing::warn!(
                "replication slots stay with the database that is set aside: {}",
                found.slots.join(", ")
            );
        }
        if !found.subscriptions.is_empty() {
            tracing::warn!(
                "subscriptions go on filling the database that is set aside, and those of the one that takes its place stay \
                 disabled: {}; in the old one ALTER SUBSCRIPTION … DISABLE and SET (slot_name = NONE), in the new one SET \
                 (slot_name = …) and ENABLE",
                found.subscriptions.join(", ")
            );
        }
        Ok(())
    }

    /// Refuses to put a database of the connecting role in place of one whose owner it may not make the new one's.
    pub fn check_owner(&self) -> Result<()> {
        match self.live() {
            Some(live) if !live.giveable => Err(self.not_given(live)),
            _ => Ok(()),
        }
    }

    /// A member of the role since PostgreSQL 16, which may not become it.
    fn not_given(&self, live: &Found) -> Error {
        let (owner, user) = (identifier(&live.owner), identifier(&self.user));
        Error::postgres(format!(
            "{} belongs to {owner}, and {user} may not make that role the owner of the database that takes its place",
            identifier(&live.name)
        ))
        .hint(format!("GRANT {owner} TO {user} WITH SET TRUE"))
        .hint("or give the new database an owner of its own: restore it with --owner")
    }

    /// Renames the database that was restored, now that it is known to be whole; returns the new name. Settings that it
    /// has from the backup go, if there is a database from which it gets others.
    pub async fn settle(&self) -> Result<String> {
        let restored = self.restored();
        let (old, new) = self.there(&self.restoring()).await?;
        let mut script = renames(&new.known(), &restored);
        if old.is_some() {
            script.insert_str(0, &format!("ALTER DATABASE {} RESET ALL;\n", identifier(&new.name)));
        }
        self.renaming().insist(None, &new.known(), &script, &restored).await?;
        Ok(restored)
    }

    /// Gives the name to `new`, and calls the one that had it otherwise; returns how.
    ///
    /// The new one gets what belongs to the name as `inherits` says. Either both are renamed or neither is.
    pub async fn exchange(&self, new: &str, inherits: Inheritance) -> Result<Option<String>> {
        let (old, new) = self.candidate(new).await?;
        // The moment of the exchange, not of the restore before it: the newest of these names is what `--back` takes.
        let before = free_name(&self.maintenance, &self.live, BEFORE).await?;
        let script = self.script(old.as_ref(), &new, inherits, &before);
        let known = old.as_ref().map(Found::known);
        let done = self.renaming().insist(known.as_ref(), &new.known(), &script, &self.live).await;
        match (done, old) {
            (Err(error), Some(old))
                if matches!(inherits, Inheritance::All | Inheritance::Instead)
                    && error.situation() == Some(Situation::NotMember) =>
            {
                Err(self.not_given(&old).because(error))
            }
            (done, old) => {
                done?;
                // Whatever a rename ends of TimescaleDB's, it does not begin again by itself.
                if let Err(error) = resume(&self.maintenance.with_dbname(&self.live)).await {
                    tracing::warn!("{}", error.with_hints());
                }
                Ok(old.map(|_| before))
            }
        }
    }

    /// Refuses a database that cannot take the name.
    pub async fn check_candidate(&self, new: &str) -> Result<()> {
        warn_of_incomplete(new);
        self.candidate(new).await.map(drop)
    }

    async fn candidate(&self, new: &str) -> Result<(Option<Found>, Found)> {
        if new == self.live {
            return Err(Error::usage(format!("{} is that database already", identifier(new)))
                .hint("--with names the one that is to take its place"));
        }
        if self.maintenance.conn().database() == Some(new) {
            return Err(Error::usage(format!(
                "{} is the database from which this run works",
                identifier(new)
            ))
            .hint("--with names another one"));
        }
        if is_unfinished(new) {
            return Err(Error::verify(format!("the restore into {new} was not finished"))
                .hint("restore again; or if you know that it is whole, rename it first"));
        }
        let (live, new) = self.there(new).await?;
        new.refuse_template()?;
        new.refuse_closed()?;
        Ok((live, new))
    }

    /// The database in use, and this one, as they are now.
    async fn there(&self, new: &str) -> Result<(Option<Found>, Found)> {
        let found = look(&self.maintenance, &self.live, &[new]).await?.found;
        let here = |name: &str| found.iter().find(|found| found.name == name).cloned();
        let new =
            here(new).ok_or_else(|| Error::not_found(format!("there is no database {}", identifier(new))))?;
        Ok((here(&self.live), new))
    }

    fn script(&self, old: Option<&Found>, new: &Found, inherits: Inheritance, before: &str) -> String {
        let mut script = "SET lock_timeout = '5s';\nBEGIN;\n".to_owned();
        if let Some(old) = old {
            if inherits != Inheritance::Nothing {
                let chosen = inherits == Inheritance::AllButOwner;
                let inherit = INHERIT.replace("{chosen}", &chosen.to_string());
                let instead = inherits == Inheritance::Instead;
                let inherit = inherit.replace("{instead}", &instead.to_string());
                let inherit = inherit.replace("{old}", &old.oid.to_string());
                script.push_str(&inherit.replace("{new}", &new.oid.to_string()));
            }
            script.push_str(&renames(&old.known(), before));
        }
        script.push_str(&renames(&new.known(), &self.live));
        script.push_str("COMMIT;\n");
        script
    }
}

/// Finds a database to connect to that is not itself to be renamed, and looks around from there.
async fn reach(psql: &Psql, live: &str) -> Result<(Psql, State)> {
    let mut first = None;
    for database in MAINTENANCE.into_iter().filter(|database| *database != live) {
        let maintenance = psql.with_dbname(database);
        match look(&maintenance, live, &[]).await {
            Ok(state) => return Ok((maintenance, state)),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| Error::unexpected("no database was tried")))
}

async fn look(maintenance: &Psql, live: &str, more: &[&str]) -> Result<State> {
    let names: Vec<String> = more.iter().copied().chain([live]).map(literal).collect();
    let start = |what: &str| {
        let start = format!("{live}{what}");
        format!("left(datname, {}) = {}", start.chars().count(), literal(&start))
    };
    let question = LOOK
        .replace("{names}", &names.join(", "))
        .replace("{before}", &start(BEFORE))
        .replace("{restoring}", &start(RESTORING))
        .replace("{restored}", &start(RESTORED));
    maintenance.query(&question).await
}

const LOOK: &str = "
SELECT json_build_object(
  'user', current_user,
  'in_recovery', pg_is_in_recovery(),
  'may_rename', (SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user),
  'found', (SELECT coalesce(json_agg(json_build_object(
      'oid', oid::bigint,
      'name', datname,
      'size_bytes', CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END,
      'sessions', (SELECT count(*) FROM pg_stat_activity WHERE datid = d.oid AND backend_type = 'client backend'),
      'owner', pg_get_userbyid(datdba),
      'owned', pg_has_role(datdba, 'USAGE'),
      'giveable', pg_has_role(datdba,
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END),
      'template', datistemplate,
      'connectable', datallowconn,
      'invalid', datconnlimit = -2,
      'prepared', (SELECT count(*) FROM pg_prepared_xacts WHERE database = datname),
      'slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE database = datname),
      'subscriptions', (SELECT coalesce(json_agg(subname ORDER BY subname), '[]') FROM pg_subscription
                         WHERE subdbid = d.oid AND subenabled)
    ) ORDER BY datname), '[]')
    FROM pg_database d WHERE datname IN ({names}) OR {before} OR {restoring} OR {restored}));";

/// Gives one database what belongs to the name of the other.
///
/// A setting that this role may not set is said and left out. Of a setting that is a list of names each is quoted for
/// itself: what the server keeps need not be SQL (`SET … FROM CURRENT`). Names without quotes mean small letters.
const INHERIT: &str = "
DO $$
DECLARE
  past pg_database; fresh pg_database; one record; db text; to_whom text; how text;
BEGIN
  SELECT * INTO STRICT past FROM pg_database WHERE oid = {old};
  SELECT * INTO STRICT fresh FROM pg_database WHERE oid = {new};
  db := 'DATABASE ' || quote_ident(fresh.datname);
  IF {instead} THEN
    EXECUTE format('COMMENT ON %s IS NULL', db);
    FOR one IN SELECT DISTINCT quote_ident(pg_get_userbyid(grantee)) AS name FROM aclexplode(fresh.datacl)
                WHERE grantee NOT IN (0, fresh.datdba) LOOP
      EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', db, one.name);
    END LOOP;
    FOR one IN SELECT CASE WHEN setrole = 0 THEN db ELSE format('ROLE %I IN %s', pg_get_userbyid(setrole), db) END AS whose
                 FROM pg_db_role_setting WHERE setdatabase = {new} LOOP
      BEGIN
        EXECUTE format('ALTER %s RESET ALL', one.whose);
      EXCEPTION WHEN insufficient_privilege THEN
        RAISE WARNING 'this role may not reset what is set for %', one.whose;
      END;
    END LOOP;
  END IF;
  IF NOT {chosen} AND past.datdba <> fresh.datdba AND pg_get_userbyid(fresh.datdba) = current_user THEN
    EXECUTE format('ALTER %s OWNER TO %I', db, pg_get_userbyid(past.datdba));
  END IF;
  IF past.datconnlimit >= -1 THEN
    EXECUTE format('ALTER %s CONNECTION LIMIT %s', db, past.datconnlimit);
  END IF;
  EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', db);
  FOR one IN SELECT a.grantee, a.is_grantable, string_agg(a.privilege_type, ', ') AS what
               FROM aclexplode(coalesce(past.datacl, acldefault('d', past.datdba))) a
              WHERE a.grantee <> past.datdba GROUP BY 1, 2 LOOP
    to_whom := CASE WHEN one.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(one.grantee)) END;
    EXECUTE format('GRANT %s ON %s TO %s', one.what, db, to_whom)
            || CASE WHEN one.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
  END LOOP;
  FOR one IN SELECT setrole, split_part(pair, '=', 1) AS name, substr(pair, strpos(pair, '=') + 1) AS value
               FROM pg_db_role_setting, unnest(setconfig) AS pair WHERE setdatabase = {old} LOOP
    how := format('%s SET %s TO %s',
      CASE WHEN one.setrole = 0 THEN db ELSE format('ROLE %I IN %s', pg_get_userbyid(one.setrole), db) END,
      (SELECT string_agg(quote_ident(part), '.') FROM unnest(string_to_array(one.name, '.')) AS part),
      CASE WHEN one.name NOT IN ('local_preload_libraries', 'search_path', 'session_preload_libraries',
                                 'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
           THEN quote_literal(one.value)
           ELSE (SELECT coalesce(string_agg(quote_literal(coalesce(replace(part[1], '\"\"', '\"'),
                     CASE WHEN one.name IN ('search_path', 'temp_tablespaces') THEN lower(part[2]) ELSE part[2] END)),
                   ', ' ORDER BY n), '''''')
                 FROM regexp_matches(one.value, '\"((?:[^\"]|\"\")*)\"|([^[:space:],\"][^[:space:],]*)', 'g')
                      WITH ORDINALITY found(part, n)) END);
    BEGIN
      EXECUTE 'ALTER ' || how;
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE WARNING 'this role may not set what was set for the database before: %', how;
    END;
  END LOOP;
  IF shobj_description({old}, 'pg_database') IS NOT NULL THEN
    EXECUTE format('COMMENT ON %s IS %L', db, shobj_description({old}, 'pg_database'));
  END IF;
END $$;
";
