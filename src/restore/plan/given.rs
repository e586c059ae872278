//! What the backup says of its database, and somebody has said already of the one that was there before the restore.

use super::Fit;
use crate::archive::{About, DatabaseStatement};
use crate::error::Result;
use crate::postgres::{OwnProperties, Target, identifier, masked};

impl Fit<'_> {
    /// Leaves a database that is somebody's what it has: only what nobody has said of it is added. The rest is reported.
    pub(super) async fn unless_said(
        &self,
        mut of_database: Vec<DatabaseStatement>,
        target: &Target,
    ) -> Result<Vec<DatabaseStatement>> {
        if of_database.is_empty() || !target.is_given() {
            return Ok(of_database);
        }
        let own = target.own_properties().await?;
        let mut kept = Vec::new();
        of_database.retain(|said| {
            let is_said = is_said(said, &own);
            if is_said {
                kept.push(masked(&said.sql).trim_end_matches(';').to_owned());
            }
            !is_said
        });
        if !kept.is_empty() {
            let name = identifier(target.name());
            tracing::warn!("{name} keeps what was said of it before; not applied: {}", kept.join("; "));
        }
        Ok(of_database)
    }
}

fn is_said(said: &DatabaseStatement, own: &OwnProperties) -> bool {
    match said.about {
        About::Grants => own.grants,
        About::Remarks => own.remarks,
        About::Limit => own.limit,
        About::Setting => {
            let role = said.roles.first().map(String::as_str).unwrap_or_default();
            own.sets(role, &said.sets.join("."))
        }
    }
}
