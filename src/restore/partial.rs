//! An archive of a part of a database, completed for a target: what it lacks to be restored.

use crate::archive::Preamble;
use crate::error::Result;
use crate::postgres::SchemaAndName;
use std::collections::{BTreeSet, HashSet};

/// An archive that was completed.
pub(super) struct Completed {
    pub(super) front: Preamble,
    /// What is left out, and why.
    pub(super) left_out: Vec<String>,
    /// The entries that are left out.
    pub(super) gone: HashSet<i32>,
}

/// The archive with the schemas that it lacks, and without what ties something to what it lacks: foreign keys, triggers, and
/// what makes partitions parts of something. `has_schema` and `existing` say what of that the target has.
pub(super) async fn completed(
    front: &Preamble,
    is_partial: bool,
    has_schema: impl Fn(&str) -> bool,
    existing: impl AsyncFn(&[SchemaAndName]) -> Result<BTreeSet<SchemaAndName>>,
) -> Result<Completed> {
    let text = |bytes: &[u8]| front.toc.text(bytes).unwrap_or_default().into_owned();
    let mut schemas = front.toc.schemas_missing();
    schemas.retain(|name, _| !has_schema(&text(name)));
    for name in schemas.keys() {
        let name = text(name);
        tracing::warn!("the backup does not have the schema {name}, only what is in it: it is created");
    }
    let ties = front.toc.ties_to_missing(is_partial);
    let names: Vec<_> = ties.iter().map(|(_, (schema, name))| (text(schema), text(name))).collect();
    let there = if names.is_empty() { BTreeSet::new() } else { existing(&names).await? };
    let (mut left_out, mut gone) = (Vec::new(), Vec::new());
    for ((entry, _), name) in ties.iter().zip(&names).filter(|(_, name)| !there.contains(name)) {
        let (what, (schema, name)) = (entry.described(), name);
        left_out.push(format!("{what} (needs {schema}.{name}, which the backup does not have)"));
        gone.push(entry.dump_id());
    }
    left_out.iter().for_each(|what| tracing::warn!("left out: {what}"));
    let gone = front.toc.with_remarks(gone.into_iter());
    let front = front.keep(|entry| !gone.contains(&entry.dump_id())).with_schemas(&schemas);
    Ok(Completed { front, left_out, gone })
}
