//! What the role may, and what its sessions begin with.

use super::finding::Findings;
use crate::error::{Error, Result};
use crate::postgres::lock::may_hold_a_session;
use crate::postgres::{DumpOptions, Presets, Psql, Server, Unreachable, identifier};
use crate::units::age;
use std::time::Duration;

/// A password that expires sooner than this is reported.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);
/// More flags than this are not written out.
const MOST_FLAGS: usize = 8;

/// Looks at the role's rights and settings, and at the database's extensions.
pub async fn examine(
    findings: &mut Findings<'_>,
    psql: &Psql,
    server: &Server,
    options: &DumpOptions,
) -> Result<()> {
    let rows = async { server.check_dump(options.is_filtered()) };
    let say = |()| "no policy (row-level security) hides rows from this role".to_owned();
    findings.check("row security", rows, |()| say(())).await?;
    if let Some(hidden) = findings.check("rights", Unreachable::ask(psql), |_| String::new()).await? {
        rights(findings, server, options, &hidden)?;
    }
    let sessions = async { Ok(may_hold_a_session(server.sessions_left)) };
    findings.check("sessions", sessions, |_| String::new()).await?;
    if let Some(presets) = findings.check("presets", Presets::ask(psql), |_| String::new()).await? {
        presets_and_extensions(findings, &presets);
    }
    Ok(())
}

fn rights(
    findings: &mut Findings<'_>,
    server: &Server,
    options: &DumpOptions,
    hidden: &Unreachable,
) -> Result<()> {
    let role = identifier(&server.user);
    let named = hidden.named();
    if options.is_filtered() {
        findings.not_checked("rights", "tables are chosen: pg_dump decides below");
    } else if named.is_empty() {
        findings.fine("rights", "the role may read every table, sequence and large object");
    } else {
        let what = format!("role {} may not read {}", server.user, named.join("; "));
        let all = [!hidden.schemas.is_empty(), !hidden.tables.is_empty(), !hidden.sequences.is_empty()];
        let mut error = Error::postgres(what);
        if all.contains(&true) {
            error = error.hint(match server.version().major {
                ..14 => format!(
                    "for each schema, as its owner: GRANT USAGE ON SCHEMA s TO {role}; GRANT SELECT ON ALL TABLES IN \
                     SCHEMA s TO {role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA s TO {role}"
                ),
                _ => format!("GRANT pg_read_all_data TO {role}, as a superuser"),
            });
        }
        if let excluded @ [_, ..] = &hidden.excluded_by()[..] {
            error = error.hint(format!("or leave that out of the backup: {}", shortened(excluded)));
        }
        if hidden.large_objects > 0 {
            error = error.hint(format!(
                "large objects: GRANT SELECT ON LARGE OBJECT … TO {role}; docs/backup.md has a statement for all of them"
            ));
        }
        findings.failed("rights", error)?;
    }
    match hidden.expires_in {
        Some(left) if left < i64::try_from(SOON.as_secs()).unwrap_or(i64::MAX) => {
            let span = age(Duration::from_secs(left.unsigned_abs()));
            let when =
                if left < 0 { format!("has expired {span} ago") } else { format!("expires in {span}") };
            let login = identifier(&server.login);
            let fix = format!("ALTER ROLE {login} VALID UNTIL 'infinity', or a later day");
            findings.warning("password", format!("the password of {} {when}", server.login), &fix);
        }
        _ => {}
    }
    Ok(())
}

/// The flags, unless they are too many to read.
fn shortened(flags: &[String]) -> String {
    if flags.len() > MOST_FLAGS {
        "--exclude-schema NAME, --exclude-table NAME".to_owned()
    } else {
        flags.join(" ")
    }
}

fn presets_and_extensions(findings: &mut Findings<'_>, presets: &Presets) {
    match &presets.limits[..] {
        [] => findings.fine("timeouts", "none is set for the role, the database or the server"),
        set => findings.fine(
            "timeouts",
            format!(
                "{}: set for others, and switched off by pg_dump and pgstow for themselves",
                set.join(", ")
            ),
        ),
    }
    if presets.extensions.is_empty() {
        findings.fine("extensions", "none: a restore needs none");
    } else {
        let all = presets.extensions.join(", ");
        findings.fine("extensions", format!("{all}: a restore needs them on its server"));
    }
    if !presets.without_files.is_empty() {
        let lost = presets.without_files.join(", ");
        findings.warning(
            "extensions",
            format!("the server no longer has the files of {lost}: a restore into it would fail"),
            "install their packages on the server again, or DROP EXTENSION",
        );
    }
}
