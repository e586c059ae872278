//! The dialects of S3 as one table: what each service accepts and promises, and the source for it.
//!
//! No other file decides by the service. A promise that is not known is not relied upon: the default row needs
//! the least. Parts are equally long for every service (R2 demands it), so there is no column for that.

use crate::store::Limits;
use crate::store::options::object_options::ObjectOption;
use std::fmt;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// How the store checks what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// CRC64NVME per part and over the whole object, verified and stored by the store.
    Full,
    /// The SHA-256 in the signature and Content-MD5 per part, and no checksum headers.
    Compat,
}

impl fmt::Display for Checksums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Compat => "compat",
        })
    }
}

/// What keeps a key to a store from doing more than it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Policies of S3 actions.
    Policies,
    /// Backblaze's capabilities of a key.
    Capabilities,
    /// Google's permissions of an account.
    Permissions,
    /// The owner and the mode of a folder.
    Owner,
    /// Nothing: the service is known to have neither versions nor locks, and no key that may write but not delete. Only
    /// a copy elsewhere protects backups.
    Nothing,
}

/// One dialect.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its word in a URL: `profile=…`.
    pub name: &'static str,
    /// What the hosts of its endpoints end with.
    hosts: &'static [&'static str],
    /// Whether the rest of the host is the region, as in `s3.eu-central-1.example.com`.
    region_in_host: bool,
    /// How it checks what arrives.
    pub checksums: Checksums,
    /// Whether the bucket is in the path; otherwise it is in the host name.
    pub path_style: bool,
    /// Whether a completion may include the object's size, which the store then checks.
    pub says_object_size: bool,
    /// Whether requests may have their operation in the query parameter `x-id`, which is signed.
    pub says_operation: bool,
    /// What keeps a key from doing more than it must.
    pub(in crate::store) guard: Guard,
    /// What it is known not to do with objects. What it does not say is asked for, and read back.
    refuses: &'static [ObjectOption],
    /// What it accepts and promises.
    pub limits: Limits,
}

/// What S3 had for years, and everybody copied: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html as it
/// was, without conditional writes.
const COMMON: Limits = Limits {
    max_parts: 10_000,
    min_part: 5 * MIB,
    max_part: 5 * GIB,
    max_object: 5 * TIB,
    // 2 KB, names included: docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    max_metadata: 2048,
    put_is_create_only: false,
    complete_is_create_only: false,
};

/// A service that is not known.
const DEFAULT: Profile = Profile {
    name: "compat",
    hosts: &[],
    region_in_host: false,
    checksums: Checksums::Compat,
    path_style: true,
    says_object_size: false,
    says_operation: true,
    guard: Guard::Policies,
    refuses: &[],
    limits: COMMON,
};

static TABLE: [Profile; 11] = [
    Profile {
        name: "aws",
        hosts: &["amazonaws.com", "amazonaws.com.cn"],
        region_in_host: true,
        checksums: Checksums::Full,
        path_style: false,
        says_object_size: true,
        limits: Limits {
            // 48.8 TiB since 2025: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
            max_object: 10_000 * 5 * GIB,
            // docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
            put_is_create_only: true,
            complete_is_create_only: true,
            ..COMMON
        },
        ..DEFAULT
    },
    Profile {
        name: "b2",
        hosts: &["backblazeb2.com"],
        region_in_host: true,
        guard: Guard::Capabilities,
        // backblaze.com/docs/cloud-storage-s3-compatible-api: one storage class, no tags, no KMS.
        refuses: &[ObjectOption::Class, ObjectOption::SseKms, ObjectOption::Tags],
        limits: Limits {
            // 10 TB: backblaze.com/docs/cloud-storage-large-files. Conditional writes answer 501 (2026-06).
            max_object: 10_000_000_000_000,
            ..COMMON
        },
        ..DEFAULT
    },
    Profile {
        name: "r2",
        hosts: &["r2.cloudflarestorage.com"],
        // CRC64NVME over the whole object: developers.cloudflare.com/r2/api/s3/api
        checksums: Checksums::Full,
        // developers.cloudflare.com/r2/api/s3/api: keys of one's own and storage classes only.
        refuses: &[ObjectOption::SseS3, ObjectOption::SseKms, ObjectOption::Tags, ObjectOption::Lock],
        limits: Limits {
            // developers.cloudflare.com/r2/platform/limits: 4.995 TiB, metadata 8,192 bytes
            max_object: 4995 * TIB / 1000,
            max_part: 4995 * GIB / 1000,
            max_metadata: 8192,
            // PutObject takes If-None-Match; CompleteMultipartUpload is not listed.
            put_is_create_only: true,
            ..COMMON
        },
        ..DEFAULT
    },
    Profile {
        name: "gcs",
        hosts: &["storage.googleapis.com"],
        // Its S3 interface rejects the signature of a request with x-id, as rclone found.
        says_operation: false,
        // cloud.google.com/storage/docs/interoperability: all of these have other headers there; gs:// sends them.
        refuses: &[
            ObjectOption::SseS3,
            ObjectOption::SseKms,
            ObjectOption::SseC,
            ObjectOption::Tags,
            ObjectOption::Lock,
        ],
        // cloud.google.com/storage/quotas: metadata 8 KiB; its conditions have other headers.
        limits: Limits { max_metadata: 8192, ..COMMON },
        ..DEFAULT
    },
    Profile {
        name: "garage",
        // Measured with 2.5.0: verifies every checksum, overwrites silently despite If-None-Match.
        checksums: Checksums::Full,
        // garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility: no versions, no locks.
        guard: Guard::Nothing,
        // Measured too: it encrypts with a key of one's own, and ignores the rest silently.
        refuses: &[
            ObjectOption::Class,
            ObjectOption::SseS3,
            ObjectOption::SseKms,
            ObjectOption::Tags,
            ObjectOption::Lock,
        ],
        ..DEFAULT
    },
    // Its releases differ in checksums and conditional writes, and do not say which they have: the least is used.
    // A recent release takes checksum=full in the URL.
    Profile { name: "minio", ..DEFAULT },
    Profile {
        name: "scaleway",
        hosts: &["scw.cloud"],
        region_in_host: true,
        // scaleway.com/en/docs/object-storage/reference-content/object-storage-quotas-limits: 1,000 parts, 5 TB
        limits: Limits { max_parts: 1000, max_object: 5_000_000_000_000, ..COMMON },
        ..DEFAULT
    },
    Profile { name: "wasabi", hosts: &["wasabisys.com"], region_in_host: true, ..DEFAULT },
    Profile { name: "digitalocean", hosts: &["digitaloceanspaces.com"], region_in_host: true, ..DEFAULT },
    Profile { name: "hetzner", hosts: &["your-objectstorage.com"], region_in_host: true, ..DEFAULT },
    DEFAULT,
];

impl Profile {
    /// The row with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.name == name)
    }

    /// The names of all rows, for a sentence.
    pub fn names() -> String {
        TABLE.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
    }

    /// Whether it is known not to do this with objects.
    pub(in crate::store) fn refuses(&self, option: ObjectOption) -> bool {
        self.refuses.contains(&option)
    }

    /// The row for the host of an endpoint, and the region in its name; AWS if there is no endpoint.
    pub fn of_host(host: Option<&str>) -> (&'static Self, Option<String>) {
        let [aws, .., default] = &TABLE;
        let Some(host) = host else {
            return (aws, None);
        };
        for row in &TABLE {
            for suffix in row.hosts {
                match host.strip_suffix(suffix) {
                    Some("") => return (row, None),
                    Some(rest) if rest.ends_with('.') => {
                        return (row, row.region_in(rest.trim_end_matches('.')));
                    }
                    _ => {}
                }
            }
        }
        (default, None)
    }

    fn region_in(&self, rest: &str) -> Option<String> {
        let region = rest.strip_prefix("s3.").unwrap_or(rest);
        let is_one = self.region_in_host && !region.contains('.') && region != "s3";
        is_one.then(|| region.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_finds_its_row_and_region() {
        for (host, name, region) in [
            (None, "aws", None),
            (Some("s3.eu-central-1.amazonaws.com"), "aws", Some("eu-central-1")),
            (Some("s3.amazonaws.com"), "aws", None),
            (Some("s3.us-west-004.backblazeb2.com"), "b2", Some("us-west-004")),
            (Some("0123abc.r2.cloudflarestorage.com"), "r2", None),
            (Some("storage.googleapis.com"), "gcs", None),
            (Some("s3.fr-par.scw.cloud"), "scaleway", Some("fr-par")),
            (Some("nyc3.digitaloceanspaces.com"), "digitalocean", Some("nyc3")),
            (Some("fsn1.your-objectstorage.com"), "hetzner", Some("fsn1")),
            (Some("evilamazonaws.com"), "compat", None),
            (Some("127.0.0.1"), "compat", None),
        ] {
            let (row, found) = Profile::of_host(host);
            assert_eq!((row.name, found.as_deref()), (name, region), "{host:?}");
        }
    }

    #[test]
    fn the_documentation_says_the_same() {
        let page = include_str!("../../../docs/design.md");
        for (name, called) in [
            ("aws", "AWS"),
            ("r2", "R2"),
            ("garage", "Garage"),
            ("b2", "Backblaze B2"),
            ("gcs", "GCS"),
            ("minio", "MinIO"),
        ] {
            let row = format!("| `{}` |", Profile::named(name).unwrap().checksums);
            let row = page.lines().find(|line| line.starts_with(&row)).unwrap();
            assert!(row.contains(called), "{name}: {row}");
        }
    }

    #[test]
    fn the_table_is_sane() {
        for row in &TABLE {
            let limits = row.limits;
            assert_eq!(Profile::named(row.name), Some(row));
            assert!((1..=10_000).contains(&limits.max_parts), "{}", row.name);
            assert!(
                limits.min_part <= limits.max_part && limits.max_part <= limits.max_object,
                "{}",
                row.name
            );
            assert!(limits.max_metadata >= 2048, "{}", row.name);
            assert!(Profile::names().contains(row.name));
        }
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
