//! The manifest: the small public JSON written last, whose presence makes a backup exist.
//!
//! It says what was stored and how to tell that it is whole; it says nothing of what is inside.
//! Its second line is the SHA-256 of all its other lines, so that anyone can check it:
//! `sed 2d manifest.json | sha256sum`.

use super::digest::Digest;
use crate::error::{Error, Result};
use crate::sha256;
use crate::stored::format::names::{Id, Name, Timestamp};
use crate::units::count;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The stored format this code writes, and the only one it reads.
pub const FORMAT: u32 = 1;
/// What a manifest says of the program that wrote it.
pub const TOOL: &str = concat!("pgstow ", env!("CARGO_PKG_VERSION"));
/// No manifest is larger, in bytes; anything that is, is not one.
pub const LARGEST: u64 = 1 << 20;
/// Bytes of it that are kept free for what is known only after its objects were stored.
const RESERVED: u64 = 32 << 10;
/// No server has more roles than this, in bytes of SQL.
pub const LARGEST_GLOBALS: u64 = 256 << 20;

const DIGEST_FIELD: &str = "  \"manifest_sha256\": \"";

/// What is written about one backup. Fields unknown to this version are ignored on reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The stored format's version.
    pub format: u32,
    /// Which backup.
    pub id: Id,
    /// Under what it is kept.
    pub name: Name,
    /// The backup before it under the same name, if the key that wrote it could list the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Id>,
    /// What was backed up.
    pub kind: BackupKind,
    /// The program that wrote it, with its version.
    pub tool: String,
    /// When the dump began.
    pub started_at: Timestamp,
    /// When everything but the manifest was in the store.
    pub finished_at: Timestamp,
    /// Facts about the server, for dumps of PostgreSQL.
    pub postgres: Option<Postgres>,
    /// How much is in it, where that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// Whether options of the backup left a part of the database out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What could not be read, and is not in it.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// How the objects are compressed.
    pub compression: Compression,
    /// How the objects are encrypted.
    pub encryption: Encryption,
    /// Fingerprints of those who can read it.
    pub recipients: Vec<String>,
    /// The other objects of the backup, the dump first.
    pub objects: Vec<Object>,
    /// Whether roles and memberships were stored too.
    pub globals: Globals,
    /// What it was before it got the recipients that it has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rekeyed: Option<Rekeying>,
    /// What the user wrote on it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// One PostgreSQL database, as a custom-format archive of `pg_dump`.
    Postgres,
    /// One PostgreSQL database, as `pg_dump`'s plain text.
    Sql,
    /// The output of any command.
    Stream,
}

impl BackupKind {
    /// What people call its content.
    pub fn noun(self) -> &'static str {
        match self {
            BackupKind::Postgres => "dump",
            BackupKind::Sql => "plain dump",
            BackupKind::Stream => "stream",
        }
    }

    /// What the dump object's file name begins with, up to how it is compressed.
    pub fn dump(self) -> &'static str {
        match self {
            BackupKind::Postgres => "dump",
            BackupKind::Sql => "dump.sql",
            BackupKind::Stream => "stream",
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackupKind::Postgres => "postgres",
            BackupKind::Sql => "sql",
            BackupKind::Stream => "stream",
        })
    }
}

/// Facts about the dumped server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postgres {
    /// The server's version, as it says it.
    pub server_version: String,
    /// The version of the `pg_dump` that made the archive.
    pub pg_dump_version: String,
    /// `pg_database_size` when the dump began, in bytes; where it was asked.
    #[serde(default)]
    pub database_bytes: Option<u64>,
    /// Which database it was, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// What distinguishes a database from others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The server's host, or the folder of its socket; the default if there is none.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<String>,
    /// The database's name.
    pub database: String,
    /// The number that the server's data have had since `initdb`, in standbys too; if it could be read.
    pub system_identifier: Option<String>,
}

impl Source {
    /// Whether both are one database, as far as that is known.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_server = match (&self.system_identifier, &other.system_identifier) {
            (Some(one), Some(other)) => one == other,
            _ => (&self.host, &self.port) == (&other.host, &other.port),
        };
        same_server && self.database == other.database
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.database, self.host.as_deref().unwrap_or("this machine"))?;
        self.port.iter().try_for_each(|port| write!(f, ", port {port}"))?;
        self.system_identifier.iter().try_for_each(|id| write!(f, ", system {id}"))
    }
}

/// How much of a database the role that took the backup could not read, and the dump lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Subscriptions.
    #[serde(default)]
    pub subscriptions: u64,
    /// User mappings whose options, such as passwords, are not in it.
    #[serde(default)]
    pub user_mapping_options: u64,
}

impl LeftOut {
    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = format!("the options of {}", count(self.user_mapping_options, "user mapping"));
        let all = [
            (self.subscriptions, count(self.subscriptions, "subscription")),
            (self.user_mapping_options, options),
        ];
        let all: Vec<String> = all.into_iter().filter(|(many, _)| *many > 0).map(|(_, what)| what).collect();
        f.write_str(&all.join(", "))
    }
}

/// How much is in a dump: all of its contents that everyone may know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tables it defines, partitions and partitioned tables included.
    pub tables: u64,
    /// Rows; those of tables whose rows cannot be counted are not in it.
    pub rows: u64,
}

/// How the objects are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Concatenated zstd frames.
    Zstd,
}

/// How the objects are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// age's binary format, version 1.
    Age,
    /// Not at all, because the user asked for it by name.
    None,
}

/// Whether roles and memberships were stored with the backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Globals {
    /// They are an object of this backup.
    Stored,
    /// They were not taken.
    #[default]
    NotTaken,
    /// The role that took the backup may not read them.
    NotReadable,
}

impl fmt::Display for Globals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Globals::Stored => "are stored with it",
            Globals::NotTaken => "were not taken",
            Globals::NotReadable => "could not be read",
        })
    }
}

/// One stored object of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its file name in the backup's folder.
    pub key: String,
    /// Its size in the store, in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the stored bytes.
    pub stored_sha256: Digest,
    /// The store's own checksum over the whole object, where the store has one (`CRC64NVME:…`).
    pub store_checksum: Option<String>,
    /// Its size before compression and encryption, in bytes.
    pub plain_bytes: u64,
    /// SHA-256 before compression and encryption; `None` for a dump with an inventory, which has the digests of its
    /// tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_sha256: Option<Digest>,
}

/// What a backup was before it got other recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeying {
    /// When it was encrypted to those that it has now.
    pub at: Timestamp,
    /// The ids that it had before, oldest first.
    pub former_ids: Vec<Id>,
}

/// What an object is to its backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Dump,
    Stream,
    Inventory,
    Globals,
}

impl Object {
    /// What its file name says it is; `None` for what a later version may add.
    fn role(&self) -> Option<Role> {
        match self.key.split('.').next()? {
            "dump" => Some(Role::Dump),
            "stream" => Some(Role::Stream),
            "inventory" => Some(Role::Inventory),
            "globals" => Some(Role::Globals),
            _ => None,
        }
    }
}

impl Manifest {
    /// The dump object.
    pub fn dump(&self) -> Result<&Object> {
        let damaged = || Error::verify(format!("the manifest of {} names no dump", self.id));
        let role = if self.kind == BackupKind::Stream { Role::Stream } else { Role::Dump };
        self.object(role).ok_or_else(damaged)
    }

    /// The inventory object, where there is one.
    pub fn inventory(&self) -> Option<&Object> {
        self.object(Role::Inventory)
    }

    /// The object with roles and memberships, where there is one.
    pub fn globals(&self) -> Option<&Object> {
        self.object(Role::Globals)
    }

    fn object(&self, role: Role) -> Option<&Object> {
        self.objects.iter().find(|object| object.role() == Some(role))
    }

    /// The size of all objects in the store, in bytes, the manifest itself not counted.
    pub fn stored_bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.stored_bytes).fold(0, u64::saturating_add)
    }

    /// Whether it was made from that backup, for other recipients, and is the same one otherwise.
    ///
    /// A manifest may be forged, so it is believed only of an id of the same second, and of one that comes before its
    /// own: no two backups can say it of each other.
    pub fn is_made_from(&self, id: &Id) -> bool {
        let formers = self.rekeyed.iter().flat_map(|rekeyed| &rekeyed.former_ids);
        formers.into_iter().any(|former| former == id)
            && id.started_at() == self.id.started_at()
            && *id < self.id
    }

    /// Whether both are one backup, each for its own recipients: one was made from the other, or both from the same one.
    pub fn is_twin_of(&self, other: &Self) -> bool {
        let mut formers = other.rekeyed.iter().flat_map(|rekeyed| &rekeyed.former_ids);
        self.is_made_from(&other.id)
            || other.is_made_from(&self.id)
            || formers.any(|id| other.is_made_from(id) && self.is_made_from(id))
    }

    /// Whether it is that backup with another id, which a rekey gave it: it was made from that one, or both were made from
    /// the same one. What that one was made from is not.
    pub fn was_rekeyed_from(&self, other: &Self) -> bool {
        let formers = other.rekeyed.iter().flat_map(|rekeyed| &rekeyed.former_ids);
        let is_one = std::iter::once(&other.id).chain(formers).any(|id| self.is_made_from(id));
        is_one && self.id != other.id && !other.is_made_from(&self.id) && self.holds_the_same(other)
    }

    /// Whether both hold the same, whoever can read them: the digests of a dump's tables are in its inventory.
    pub fn holds_the_same(&self, other: &Self) -> bool {
        let content = |manifest: &Self| -> Vec<(String, u64, Option<Digest>)> {
            let objects = manifest.objects.iter();
            objects
                .map(|one| (one.key.trim_end_matches(".age").to_owned(), one.plain_bytes, one.plain_sha256))
                .collect()
        };
        self.name == other.name && self.kind == other.kind && content(self) == content(other)
    }

    /// How long the backup took.
    pub fn duration(&self) -> Duration {
        self.finished_at.since(self.started_at)
    }

    /// Refuses what would become a manifest that no reader takes, before anything is stored.
    pub fn check_size(&self) -> Result<()> {
        let bytes = self.to_bytes()?.len() as u64;
        if bytes <= LARGEST - RESERVED {
            return Ok(());
        }
        Err(Error::usage(format!(
            "the manifest would have {bytes} bytes, and may have {}",
            LARGEST - RESERVED
        ))
        .hint("use fewer or shorter labels, and fewer recipients"))
    }

    /// The manifest as it is stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| Error::unexpected("the manifest cannot be written as JSON").because(e))?;
        let body = json.strip_prefix("{\n").unwrap_or(&json);
        let digest = hex::encode(sha256::digest(format!("{{\n{body}\n").as_bytes()));
        Ok(format!("{{\n{DIGEST_FIELD}{digest}\",\n{body}\n").into_bytes())
    }

    /// Reads a stored manifest, and refuses one that is damaged or of a format not known here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |why: &str| Error::verify(format!("the manifest is damaged: {why}"));

        // The format comes first: a later one may even write its digest in another way.
        let version: Version =
            serde_json::from_slice(bytes).map_err(|e| damaged("it is not JSON").because(e))?;
        if version.format != FORMAT {
            let found = version.format;
            return Err(Error::verify(format!(
                "the backup is of format {found}; this pgstow reads format {FORMAT}"
            ))
            .hint("use the pgstow version that wrote it, or a newer one"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
        let (claimed, body) = text
            .strip_prefix("{\n")
            .and_then(|rest| rest.strip_prefix(DIGEST_FIELD))
            .and_then(|rest| rest.split_once("\",\n"))
            .ok_or_else(|| damaged("its digest is missing"))?;
        if hex::encode(sha256::digest(format!("{{\n{body}").as_bytes())) != claimed {
            return Err(damaged("its digest does not match its text"));
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|e| damaged("a field is missing or wrong").because(e))?;
        match manifest.objects.iter().find(|object| !manifest.digests(object)) {
            Some(object) => Err(damaged(&format!("{} has no SHA-256 of its plaintext", object.key))),
            None => manifest.dump().map(drop).map(|()| manifest),
        }
    }

    /// Whether there is a digest of the object's plaintext, here or in the inventory.
    fn digests(&self, object: &Object) -> bool {
        let in_inventory = object.role() == Some(Role::Dump) && self.inventory().is_some();
        // What a later version adds may need none.
        object.plain_sha256.is_some() || in_inventory || object.role().is_none()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::error::Kind;
    use sha2::{Digest as _, Sha256};

    pub(crate) fn example() -> Manifest {
        let started_at = Timestamp::now();
        Manifest {
            format: FORMAT,
            id: Id::new(started_at).unwrap(),
            name: "app".parse().unwrap(),
            previous: None,
            kind: BackupKind::Postgres,
            tool: "pgstow 0.1.0".into(),
            started_at,
            finished_at: started_at,
            postgres: Some(Postgres {
                server_version: "17.9".into(),
                pg_dump_version: "17.9".into(),
                database_bytes: Some(8_000_000),
                source: None,
            }),
            totals: Some(Totals { tables: 3, rows: 64 }),
            partial: false,
            left_out: LeftOut::default(),
            compression: Compression::Zstd,
            encryption: Encryption::Age,
            recipients: vec!["age1…".into()],
            objects: vec![Object {
                key: "dump.zst.age".into(),
                stored_bytes: 12,
                stored_sha256: Digest([0; 32]),
                store_checksum: None,
                plain_bytes: 100,
                plain_sha256: Some(Digest([0x11; 32])),
            }],
            globals: Globals::NotTaken,
            rekeyed: None,
            labels: [("why".to_owned(), "\"manifest_sha256\": \"x\",\n".to_owned())].into(),
        }
    }

    #[test]
    fn it_reads_back_and_its_digest_is_that_of_the_other_lines() {
        let manifest = example();
        let bytes = manifest.to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);

        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let others: String =
            lines.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| *line).collect();
        assert!(lines[1].contains(&hex::encode(Sha256::digest(others))), "{text}");
    }

    #[test]
    fn only_a_later_id_of_the_same_second_is_made_from_one() {
        let id = |text: &str| text.parse::<Id>().unwrap();
        let made = |own: &str, former: &str| {
            let rekeyed = Some(Rekeying {
                at: Timestamp::now(),
                former_ids: vec![id("20240229T030000Z-000000"), id(former)],
            });
            Manifest { id: id(own), rekeyed, ..example() }.is_made_from(&id(former))
        };
        assert!(made("20240229T030000Z-000002", "20240229T030000Z-000001"));
        assert!(!made("20240229T030000Z-000001", "20240229T030000Z-000002"));
        assert!(!made("20240229T030001Z-000002", "20240229T030000Z-000001"));
        assert!(!example().is_made_from(&example().id));
    }

    #[test]
    fn two_that_were_made_from_the_same_one_are_twins() {
        let one = |letters: &str, formers: &[&str]| {
            let id = |letters: &str| format!("20240229T030000Z-{letters}").parse::<Id>().unwrap();
            let former_ids = formers.iter().map(|former| id(former)).collect();
            let rekeyed = Some(Rekeying { at: Timestamp::now(), former_ids });
            Manifest { id: id(letters), rekeyed, ..example() }
        };
        let all = [one("000001", &[]), one("000002", &["000001"]), one("000003", &["000001"])];
        let other = one("000004", &["000000"]);
        for (at, twin) in all.iter().enumerate() {
            assert!(!twin.is_twin_of(&other) && !other.is_twin_of(twin), "{at}");
            let others = all.iter().filter(|other| other.id != twin.id);
            others.for_each(|other| assert!(twin.is_twin_of(other), "{} of {}", twin.id, other.id));
        }
        // Whoever names a later id is not believed.
        assert!(!one("000001", &["000009"]).is_twin_of(&one("000002", &["000009"])));
    }

    #[test]
    fn every_object_has_a_digest_of_what_is_in_it() {
        let with = |kind, keys: &[(&str, bool)]| {
            let one = example().objects.remove(0);
            let objects = keys.iter().map(|(key, has_digest)| Object {
                key: (*key).to_owned(),
                plain_sha256: one.plain_sha256.filter(|_| *has_digest),
                ..one.clone()
            });
            let manifest = Manifest { kind, objects: objects.collect(), ..example() };
            Manifest::from_bytes(&manifest.to_bytes().unwrap()).map_err(|e| e.to_string())
        };
        let (dump, inventory, globals) = ("dump.zst.age", "inventory.json.zst.age", "globals.sql.zst.age");
        let postgres = BackupKind::Postgres;
        with(postgres, &[(dump, true)]).unwrap();
        // The digests of its tables are in the inventory.
        with(postgres, &[(dump, false), (inventory, true), (globals, true)]).unwrap();
        // What another version may add.
        with(postgres, &[(dump, true), ("map.zst.age", false)]).unwrap();
        for (kind, keys, which) in [
            (postgres, &[(dump, false)][..], dump),
            (postgres, &[(dump, false), (globals, true)], dump),
            (postgres, &[(dump, false), (inventory, false)], inventory),
            (postgres, &[(dump, false), (inventory, true), (globals, false)], globals),
            (BackupKind::Stream, &[("stream.zst", false), (inventory, true)], "stream.zst"),
        ] {
            let says = format!("the manifest is damaged: {which} has no SHA-256 of its plaintext");
            assert_eq!(with(kind, keys).unwrap_err(), says);
        }
    }

    #[test]
    fn any_changed_byte_is_found() {
        let bytes = example().to_bytes().unwrap();
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let error = Manifest::from_bytes(&damaged).unwrap_err();
                assert_eq!(error.kind(), Kind::Verify, "byte {at}");
            }
            assert!(Manifest::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_format_from_the_future_is_refused_and_an_unknown_field_is_not() {
        let mut later = example();
        later.format = 2;
        let error = Manifest::from_bytes(&later.to_bytes().unwrap()).unwrap_err();
        assert!(error.message().contains("format 2"), "{error}");

        let text = String::from_utf8(example().to_bytes().unwrap()).unwrap();
        let (_, body) = text.split_once(",\n").unwrap();
        let body = format!("  \"colour\": \"blue\",\n{body}");
        let digest = hex::encode(Sha256::digest(format!("{{\n{body}")));
        let text = format!("{{\n{DIGEST_FIELD}{digest}\",\n{body}");
        Manifest::from_bytes(text.as_bytes()).unwrap();
    }
}
