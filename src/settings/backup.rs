//! The settings of `pgstow backup`.

use super::{Encryption, NeonSource, StoreSettings, keys, name, server};
use crate::cli::BackupWords;
use crate::error::{Error, Result};
use crate::names::Name;
use crate::postgres::{ConnInfo, DumpOptions, clients::Search};
use crate::signing::SigningKey;
use std::collections::BTreeMap;

/// More processors than this do not help one dump, which a single COPY feeds; they only cost memory.
const MOST_WORKERS: usize = 4;

/// `pgstow backup`.
#[derive(Debug)]
pub struct Backup {
    /// The database.
    pub connection: ConnInfo,
    /// The database on Neon, which is looked for before it is connected to.
    pub neon: Option<NeonSource>,
    /// Under what to keep it; the database's name otherwise.
    pub name: Option<Name>,
    /// Notes for the manifest.
    pub labels: BTreeMap<String, String>,
    /// Where to.
    pub store: StoreSettings,
    /// For whom.
    pub encryption: Encryption,
    /// Who vouches for it.
    pub signing: Option<SigningKey>,
    /// What to dump, and how.
    pub dump: DumpOptions,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// zstd's level.
    pub compression_level: i32,
    /// The size of a part in bytes, where the user chose it.
    pub part_size: Option<u64>,
    /// Frames compressed at the same time.
    pub workers: usize,
    /// Parts on their way at the same time.
    pub uploads: usize,
    /// How many of a hundred rows may be gone since the last backup before it is said.
    pub warn_shrink: u8,
    /// How many of a hundred may be gone before the backup fails.
    pub fail_shrink: Option<u8>,
    /// Whether free space is looked at first.
    pub check_space: bool,
    /// Whether a connection pooler is fine.
    pub allow_pooled: bool,
}

impl Backup {
    /// Checks the words of `pgstow backup`.
    pub fn read(words: BackupWords) -> Result<Self> {
        let neon = NeonSource::read(&words)?;
        let url = words.url.as_deref().filter(|_| neon.is_none());
        let (connection, clients) = server(url.unwrap_or_default(), &words.server)?;
        let label = |text: &String| match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
            _ => Err(Error::usage(format!("--label {text:?} is not KEY=VALUE"))),
        };
        Ok(Self {
            connection,
            neon,
            name: name(words.name.as_deref())?,
            labels: words.labels.iter().map(label).collect::<Result<_>>()?,
            store: StoreSettings::read(&words.store)?,
            encryption: keys::encryption(&words)?,
            signing: keys::signing_key(words.signing_key_file.as_deref())?,
            dump: DumpOptions {
                tables: words.tables,
                exclude_tables: words.exclude_tables,
                exclude_table_data: words.exclude_table_data,
                schemas: words.schemas,
                exclude_schemas: words.exclude_schemas,
                extra: words.pg_dump_args,
                lock_wait_timeout: words.lock_wait_timeout,
            },
            clients,
            compression_level: words.compression_level,
            part_size: words.part_size,
            workers: std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS),
            uploads: words.uploads.into(),
            warn_shrink: words.warn_shrink,
            fail_shrink: words.fail_shrink,
            check_space: !words.no_space_check,
            allow_pooled: words.server.allow_pooled,
        })
    }
}
