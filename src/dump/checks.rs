//! What is asked of a database before it is dumped, so that nothing is left out without a word.

use super::request::{DumpRequest, ShrinkLimits};
use crate::archive::{Toc, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::patterns::{PatternOf, look_up};
use crate::postgres::{Backend, DumpOptions, Psql, Server, Unreadable, first_names};
use crate::store::Store;
use crate::stored::find::catalogue::{self, Found};
use crate::stored::format::extension::Extension;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::{LeftOut, Source};
use crate::stored::format::names::{CLOCK_SKEW, Name, Timestamp};
use crate::stored::format::signing::SigningKey;
use crate::stored::write::compare::{Before, Like};
use crate::stored::write::destinations::Destinations;
use crate::units::age;
use std::sync::Arc;

/// The options with the patterns as the server spells them; refuses one that chooses nothing, and warns of one
/// that excludes nothing.
pub async fn spelled(psql: &Psql, options: &DumpOptions) -> Result<DumpOptions> {
    let lists = [
        ("--table", PatternOf::Table, &options.tables, true),
        ("--schema", PatternOf::Schema, &options.schemas, true),
        ("--exclude-table", PatternOf::Table, &options.exclude_tables, false),
        ("--exclude-table-data", PatternOf::Table, &options.exclude_table_data, false),
        ("--exclude-schema", PatternOf::Schema, &options.exclude_schemas, false),
    ];
    let patterns: Vec<_> = lists
        .iter()
        .flat_map(|(option, of, list, chooses)| {
            list.iter().map(move |pattern| (*option, *of, pattern, *chooses))
        })
        .collect();
    let mut options = options.clone();
    if patterns.is_empty() {
        return Ok(options);
    }
    let asked: Vec<_> = patterns.iter().map(|(_, of, pattern, _)| (*of, pattern.as_str())).collect();
    for ((option, _, pattern, chooses), found) in
        patterns.iter().zip(look_up(psql, &asked, options.encoding()).await?)
    {
        match (found.matches, chooses) {
            (true, _) => {}
            (false, true) => {
                return Err(Error::usage(format!("{option} {pattern} matches nothing in the database"))
                    .hint("a pattern is schema.name, or name along the search path; capital letters need double quotes"));
            }
            (false, false) => tracing::warn!("{option} {pattern} matches nothing, so it leaves nothing out"),
        }
        match found.bytes {
            Some(bytes) => drop(options.spelled.insert((*pattern).clone(), bytes)),
            // `pg_dump` could not ask for it either, or would read other letters.
            None => {
                for list in [
                    &mut options.exclude_tables,
                    &mut options.exclude_table_data,
                    &mut options.exclude_schemas,
                ] {
                    list.retain(|other| other != *pattern);
                }
            }
        }
    }
    Ok(options)
}

/// What a database has besides what is dumped.
pub struct Besides {
    /// What the role may not read.
    pub left_out: LeftOut,
    /// Its extensions.
    pub extensions: Vec<Extension>,
    /// Who answered that.
    pub backend: Backend,
}

/// Looks what the database has besides what is dumped, and warns of what the role may not read and `pg_dump` leaves out. A
/// dump of chosen tables has no such objects.
pub async fn besides(psql: &Psql, server: &Server, options: &DumpOptions) -> Result<Besides> {
    let (Unreadable { subscriptions, user_mappings }, extensions, backend) = Unreadable::ask(psql).await?;
    if options.is_filtered() {
        return Ok(Besides { left_out: LeftOut::default(), extensions, backend });
    }
    // Of subscriptions pg_dump warns itself.
    if !user_mappings.is_empty() {
        tracing::warn!(
            "role {} may not read the options of user mappings: those of {}, such as passwords, are not backed up",
            server.user,
            first_names(&user_mappings)
        );
    }
    let left_out = LeftOut {
        subscriptions: subscriptions.len() as u64,
        user_mapping_options: user_mappings.len() as u64,
    };
    Ok(Besides { left_out, extensions, backend })
}

/// Warns of event triggers that no restore can create, since their functions are left out.
pub fn warn_of_lost_event_triggers(toc: &Toc) {
    let lost: Vec<String> = toc.lost_event_triggers().map(TocEntry::label).collect();
    if !lost.is_empty() {
        tracing::warn!(
            "the functions of event triggers are not in the backup, so a restore leaves these out: {}",
            first_names(&lost)
        );
    }
}

/// The name that the backup gets.
pub fn name(settings: &DumpRequest, server: &Server) -> Result<Name> {
    settings.name.clone().map_or_else(|| Name::of_database(&server.database), Ok)
}

/// Warns of a backup whose id is later than this machine's present: one of two clocks is wrong.
///
/// Nothing shows which. When an object was written is what its writer says in some stores, so nothing is refused:
/// whoever can write to the store, or had a wrong clock for a moment, must not keep backups from being made.
pub fn clock(others: &[Found]) {
    let now = Timestamp::now();
    let is_later = |other: &&Found| other.place.id.started_at().is_none_or(|begun| begun > now);
    let Some(later) = others.iter().filter(is_later).max_by_key(|other| other.place.id.as_str()) else {
        return;
    };
    tracing::warn!(
        "{}: its id is later than this machine's clock. If the clock is slow, set it (NTP): the new backup is not \"latest\", \
         and prune may remove it. If it is right, that id is wrong: it is passed over if it is more than {} ahead, and the \
         new backup is \"latest\"",
        later.place,
        age(CLOCK_SKEW)
    );
}

/// About how many bytes the backup will take: as many as the last one, whose manifest anybody may have written, and not more
/// than the database has; without one, a fifth of the database is what dumps of ordinary data come to.
pub fn stored_bytes(before: Option<&Before>, server: &Server) -> u64 {
    before.map_or(server.size_bytes / 5, |before| before.stored_bytes.min(server.size_bytes))
}

/// Which database it is; `None` for a branch made for this run, which is another every time.
pub async fn source(psql: &Psql, server: &Server, settings: &DumpRequest) -> Option<Source> {
    if settings.neon.as_ref().is_some_and(|neon| neon.via_branch) {
        return None;
    }
    Some(Source {
        host: server.host.clone(),
        port: server.port.clone(),
        database: server.database.clone(),
        system_identifier: Server::system_identifier(psql).await,
    })
}

/// Warns if the last backup of the name is of another database: `latest` would change between the two.
pub fn warn_of_another_source(before: Option<&Before>, now: Option<&Source>) {
    let Some((before, source)) = before.and_then(|before| Some((before, before.source.as_ref()?))) else {
        return;
    };
    if let Some(now) = now.filter(|now| !now.is_same(source)) {
        tracing::warn!(
            "the last backup of this name, {}, is of another database: {source}; this one is of {now}. If both are \
             backed up, give each its own --name",
            before.id
        );
    }
}

/// The backups that there are, as far as the key may list them, and what the last backup held, if it can be read.
pub async fn before(
    limits: ShrinkLimits,
    stores: &Destinations,
    name: &Name,
    (partial, signing): (bool, Option<&SigningKey>),
) -> Result<(Vec<Found>, Option<Before>)> {
    let public = signing.map(SigningKey::public).transpose()?;
    let like = Like { partial, signed_by: public.as_ref() };
    let read = async |store: &Arc<dyn Store>| {
        let found = catalogue::earlier(&**store, name).await?;
        let before = Before::read_newest(store, &found, like).await;
        Ok((found, before))
    };
    let (found, before) = stores.ask(read).await.unwrap_or_else(|error| (Vec::new(), Err(error)));
    let before = match before {
        Err(error) if limits.fail.is_some() => {
            return Err(
                error.hint("--fail-shrink compares with the last backup: the key must list and read it")
            );
        }
        // Most keys for backups may only write.
        Err(error) => {
            tracing::debug!("the last backup cannot be compared with: {error}");
            None
        }
        Ok(before) => before,
    };
    Ok((found, before))
}

/// Says what is much smaller than in the last backup, and fails if that was asked for.
pub fn compare_with_last(
    before: Option<&Before>,
    limits: ShrinkLimits,
    inventory: Option<&Inventory>,
    plain_bytes: u64,
) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let shrunk = limits.fail.map(|percent| before.shrunk(inventory, plain_bytes, percent));
    if let Some(shrunk) = shrunk.filter(|shrunk| !shrunk.is_empty()) {
        return Err(Error::verify(format!("far less than in backup {}: {}", before.id, shrunk.join("; ")))
            .hint("if that is right, back up once without --fail-shrink"));
    }
    for shrunk in before.shrunk(inventory, plain_bytes, limits.warn) {
        tracing::warn!("far less than in backup {}: {shrunk}", before.id);
    }
    Ok(())
}
