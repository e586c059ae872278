//! What is stored with the dump object itself, for who looks at the store without pgstow.

use super::manifest::{Encryption, Manifest};
use crate::store::Metadata;

impl Manifest {
    /// What is stored with the dump object itself: what was known when its upload began.
    pub fn metadata(&self) -> Metadata {
        let encryption = match self.encryption {
            Encryption::Age => "age",
            Encryption::None => "none",
        };
        let mut metadata: Metadata = [
            ("format", self.format.to_string()),
            ("id", self.id.to_string()),
            ("name", self.name.to_string()),
            ("kind", self.kind.to_string()),
            ("started-at", self.started_at.to_string()),
            ("compression", "zstd".to_owned()),
            ("encryption", encryption.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        if let Some(postgres) = &self.postgres {
            metadata.insert("server-version".into(), postgres.server_version.clone());
            metadata.insert("pg-dump-version".into(), postgres.pg_dump_version.clone());
        }
        metadata
    }
}
