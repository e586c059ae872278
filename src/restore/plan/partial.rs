//! An archive of a part of a database, completed for a target: what it lacks to be restored.

use crate::archive::{MadeByExtensions, Preamble};
use crate::error::Result;
use crate::postgres::SchemaAndName;
use crate::stored::format::extension::Extension;
use std::collections::{BTreeSet, HashSet};

/// An archive that was completed.
pub struct Completed {
    /// Its header and table of contents.
    pub front: Preamble,
    /// What is left out, and why.
    pub left_out: Vec<String>,
    /// The entries that are left out.
    pub gone: HashSet<i32>,
}

/// The archive with the schemas that it lacks, and without what ties something to what it lacks: foreign keys, triggers, and
/// what makes partitions parts of something. `extensions` are those of the source; `has_schema` and `existing` say what the target has.
pub async fn completed(
    front: &Preamble,
    extensions: &[Extension],
    has_schema: impl Fn(&str) -> bool,
    existing: impl AsyncFn(&[SchemaAndName]) -> Result<BTreeSet<SchemaAndName>>,
) -> Result<Completed> {
    let made = made_by(front, extensions);
    let made = made.as_ref();
    let text = |bytes: &[u8]| front.toc.text(bytes).unwrap_or_default().into_owned();
    let mut schemas = front.toc.schemas_missing(made);
    schemas.retain(|name, _| !has_schema(&text(name)));
    for name in schemas.keys() {
        let name = text(name);
        tracing::warn!("the backup does not have the schema {name}, only what is in it: it is created");
    }
    let ties = front.toc.ties_to_missing(made);
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

/// What the extensions of an archive make; `None` if that is not known of one of them.
fn made_by(front: &Preamble, extensions: &[Extension]) -> Option<MadeByExtensions> {
    let mut all = MadeByExtensions::default();
    for name in front.toc.extensions() {
        let extension = extensions.iter().find(|one| one.name == name)?;
        let names = extension.made.as_ref()?.iter().chain(&extension.content);
        all.names.extend(names.map(|[schema, name]| (schema.clone(), name.clone())));
        all.schemas.extend(extension.schemas.iter().cloned());
    }
    Some(all)
}
