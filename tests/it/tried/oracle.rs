//! Another reader's opinion of a backup that has everything: libpgdump, on what `pg_dump` wrote into a file.

use super::scene::everything;
use crate::scene::{Place, fetch};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::run;
use pgstow::archive::{EntryKind, Reader};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

#[test]
fn libpgdump_finds_the_same_tables_rows_and_bytes() {
    for major in Major::CLIENTS {
        let cluster = Cluster::shared(major);
        let database = everything(cluster, "oracle");
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let mut reader = Reader::with_digests();
        reader.feed(&fetch(&place, &["latest"])).unwrap();
        let ours = reader.finish().unwrap();

        for entry in ours.toc.entries() {
            assert_ne!(entry.kind(), EntryKind::Other, "{major:?}: {entry:?}");
        }
        assert_eq!(ours.toc.torn_definitions(), [], "{major:?}");

        // It seeks, so it wants the places noted in the table of contents, as they are in a file.
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("archive");
        run(cluster.client("pg_dump").args(["-Fc", "-Z0", "-d", &database, "-f"]).arg(&file));
        let mut file = std::fs::File::open(&file).unwrap();
        let theirs = libpgdump::format::custom::read_archive(&mut file).unwrap();

        let with_data: Vec<_> = ours.toc.with_data().map(|entry| (entry.dump_id(), entry.label())).collect();
        assert_eq!(theirs.data.len() + theirs.blobs.len(), with_data.len());
        for ((dump_id, label), block) in with_data.into_iter().zip(&ours.blocks) {
            let (bytes, rows) = match theirs.blobs.get(&dump_id) {
                Some(blobs) => {
                    assert_eq!(block.objects, Some(blobs.len() as u64), "{major:?}: {label}");
                    (blobs.iter().flat_map(|blob| blob.data.clone()).collect(), None)
                }
                None => {
                    let data = theirs.data[&dump_id].clone();
                    let rows = data.split(|&byte| byte == b'\n').take_while(|line| line != b"\\.").count();
                    (data, Some(rows as u64))
                }
            };
            assert_eq!(block.rows, rows, "{major:?}: {label}");
            assert_eq!(block.sha256, Some(Sha256::digest(bytes).into()), "{major:?}: {label}");
        }
    }
}
