//! Default privileges of the restoring role in a database that was there before: they would give rights on all that is
//! restored to roles that have none in the backup.
//!
//! In the transaction that restores they are taken aside before all else, and put back at its end: nobody else sees the database
//! without them, and a restore that fails leaves them as they were. Where the backup has its own, those stay.

use super::Target;
use crate::error::{Error, Result};
use crate::postgres::sql::identifier;

/// Takes them aside; what puts them back is kept in a setting of this transaction, one statement for each schema and kind.
///
/// Those of the whole database stand for what every role has on its own things, those of a schema are added to that.
pub const ASIDE: &str = r"DO $$
DECLARE one record;
BEGIN
  PERFORM set_config('pgstow.default_privileges', '[]', true);
  FOR one IN
    WITH own AS (
      SELECT defaclnamespace AS space, defaclobjtype AS type, defaclacl AS now,
             CASE defaclnamespace WHEN 0 THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, defaclrole)
                                  END AS plain,
             'ALTER DEFAULT PRIVILEGES' || coalesce(' IN SCHEMA ' || quote_ident(nspname), '') AS head,
             CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END AS what
        FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
       WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)),
    change AS (SELECT 'aside' AS way, own.*, now AS before, plain AS after FROM own
               UNION ALL SELECT 'back', own.*, plain, now FROM own),
    said AS (
      SELECT way, space, type, 1 AS nr, format('%s REVOKE ALL ON %s FROM %s;', head, what, CASE grantee WHEN 0 THEN 'PUBLIC'
             ELSE quote_ident(pg_get_userbyid(grantee)) END) AS text
        FROM change, LATERAL (SELECT DISTINCT grantee FROM aclexplode(before)) AS old
      UNION ALL
      SELECT way, space, type, 2, format('%s GRANT %s ON %s TO %s%s;', head, privilege_type, what, CASE grantee WHEN 0 THEN 'PUBLIC'
             ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM change, LATERAL aclexplode(after))
    SELECT space, type, string_agg(text, ' ' ORDER BY nr) FILTER (WHERE way = 'aside') AS aside,
           coalesce(string_agg(text, ' ' ORDER BY nr) FILTER (WHERE way = 'back'), '') AS back
      FROM said GROUP BY space, type
  LOOP
    EXECUTE one.aside;
    PERFORM set_config('pgstow.default_privileges', (current_setting('pgstow.default_privileges')::jsonb
      || jsonb_build_array(jsonb_build_object('space', one.space, 'type', one.type, 'back', one.back)))::text, true);
  END LOOP;
END $$;
";

/// Puts them back, unless the backup had some for the same schema and kind.
pub const BACK: &str = r"DO $$
DECLARE one jsonb;
BEGIN
  FOR one IN SELECT jsonb_array_elements(current_setting('pgstow.default_privileges')::jsonb) LOOP
    IF NOT EXISTS (SELECT FROM pg_default_acl
                    WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
                      AND defaclnamespace = (one ->> 'space')::oid AND defaclobjtype::text = one ->> 'type') THEN
      EXECUTE one ->> 'back';
    END IF;
  END LOOP;
END $$;
";

const HAS_SOME: &str = "
SELECT to_json(EXISTS (SELECT FROM pg_default_acl WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)));";

impl Target {
    /// Says whether this role has default privileges in a database that is somebody's.
    pub async fn has_default_privileges(&self) -> Result<bool> {
        if self.is_given() { self.psql.query(HAS_SOME).await } else { Ok(false) }
    }

    /// Refuses a database in which this role has some, for a script that is run as it is.
    pub async fn refuse_default_privileges(&self) -> Result<()> {
        if !self.has_default_privileges().await? {
            return Ok(());
        }
        Err(Error::target_exists(format!(
            "{} has default privileges of this role, which would give rights on what a plain dump creates",
            identifier(&self.name)
        ))
        .hint("name a database that does not exist yet; it will be created")
        .hint("or take them back there until then: ALTER DEFAULT PRIVILEGES … REVOKE …"))
    }
}
