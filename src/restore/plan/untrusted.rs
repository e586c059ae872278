//! Extensions that the restoring role may not create: named together, before anything is made.

use super::{Fit, reported};
use crate::archive::Preamble;
use crate::error::{Error, Result};
use crate::postgres::{Target, identifier};
use std::borrow::Cow;

impl Fit<'_> {
    /// Refuses extensions that only a superuser may create, if the role is none and the database does not have them.
    ///
    /// Services let their users create more than PostgreSQL does, by rules that no catalog shows: there the restore itself
    /// tells, and elsewhere a try.
    pub(super) async fn check_rights(&self, front: &Preamble, target: &Target) -> Result<()> {
        if !self.is_managed() || self.facts.is_of_a_service() {
            return Ok(());
        }
        let present = target.schemas_of_extensions().await?;
        let mut forbidden = Vec::new();
        for name in front.toc.extensions().map(Cow::into_owned) {
            let is_there = present.contains_key(&name) || !self.facts.has_extension(&name);
            if !is_there && !target.takes_extension(&name, false).await? {
                forbidden.push(name);
            }
        }
        if forbidden.is_empty() {
            return Ok(());
        }
        let me = &self.facts.me;
        let create: Vec<String> =
            forbidden.iter().map(|name| format!("CREATE EXTENSION {}", identifier(name))).collect();
        self.unless_kept(
            Error::postgres(format!(
                "the role {me} may not create extensions that the backup needs: {}",
                reported(&forbidden)
            ))
            .hint("restore as a superuser: they are not trusted, so nobody else may create them")
            .hint(format!(
                "or let a superuser create an empty database with them, and restore into that: CREATE DATABASE … OWNER {}; in it {}",
                identifier(me),
                create.join("; ")
            ))
            .hint("or restore without them, and without what needs them: --exclude-extension NAME"),
        )
    }
}
