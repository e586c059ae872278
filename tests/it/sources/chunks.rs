//! Archives whose chunks end inside rows, as `pg_dump` 19 writes them: backed up, cut between rows, and restored.

use crate::scene::{Place, fetch, fresh, listing, motley};
use crate::servers::postgres::{Cluster, Major};
use pgstow::archive::{EntryKind, Reader, chunk_head};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What `pg_dump` 19 collects before it writes a chunk, in bytes.
const CHUNK: usize = 128 << 10;

/// The same archive with the rows of each table in chunks of [`CHUNK`] bytes, whatever rows they are.
fn rechunked(archive: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new();
    reader.feed(archive).unwrap();
    let contents = reader.finish().unwrap();
    let mut out = contents.preamble().to_bytes();
    for (entry, block) in contents.toc.with_data().zip(&contents.blocks) {
        let bytes = &archive[block.range.start as usize..block.range.end as usize];
        if entry.kind() != EntryKind::TableData {
            out.extend(bytes);
            continue;
        }
        let (head, mut rest) = bytes.split_at(6);
        let mut rows = Vec::new();
        while let Some((length, chunk)) = rest.split_first_chunk::<5>() {
            let (now, later) = chunk.split_at(u32::from_le_bytes(length[1..].try_into().unwrap()) as usize);
            rows.extend(now);
            rest = later;
        }
        out.extend(head);
        for chunk in rows.chunks(CHUNK) {
            out.extend([&chunk_head(chunk.len())[..], chunk].concat());
        }
        out.extend(chunk_head(0));
    }
    out
}

/// A folder with one backup of this archive.
fn adopted(archive: &[u8]) -> Place {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let file = folder.path().join("app.dump");
    std::fs::write(&file, archive).unwrap();
    place.pgstow(&["adopt", "--no-encryption", "--name", "app"]).arg(&file).succeeds();
    place
}

/// What the inventory says, as somebody without pgstow reads it.
fn inventory(place: &Place) -> Value {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("inventory.zst");
    std::fs::write(&file, place.get(&place.key("inventory.json.zst"))).unwrap();
    serde_json::from_str(&crate::servers::run(Command::new("zstd").arg("-dc").arg(file))).unwrap()
}

/// Tables, large objects and the rest, each with its number of rows and its digest.
fn held(inventory: &Value) -> Vec<[&Value; 5]> {
    let blocks = inventory["blocks"].as_array().unwrap().iter();
    blocks
        .map(|block| ["dump_id", "raw_bytes", "rows", "objects", "sha256"].map(|field| &block[field]))
        .collect()
}

fn piped(cluster: &Cluster, archive: &[u8]) -> String {
    let copy = cluster.create_database("piped");
    let mut restore = cluster.client("pg_restore");
    let mut child = restore.args(["-1", "-e", "-d", &copy]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(archive).unwrap();
    assert!(child.wait().unwrap().success());
    copy
}

#[test]
fn chunks_that_end_inside_rows_are_cut_between_rows() {
    let cluster = Cluster::shared(Major::V18);
    let database = motley(cluster, "chunks");
    let wide = "SELECT n, repeat(md5(n::text), n % 16) FROM generate_series(1, 270000) n";
    cluster.psql(&database, &format!("CREATE TABLE wide AS {wide}"));
    let dump = cluster.client("pg_dump").args(["-Fc", "-Z0", &database]).output().unwrap().stdout;
    let rewritten = rechunked(&dump);

    let (original, place) = (adopted(&dump), adopted(&rewritten));
    let (of_original, ours) = (inventory(&original), inventory(&place));
    assert_eq!(held(&ours), held(&of_original));
    let frames = ours["frames"].as_array().unwrap();
    let clean = frames.iter().filter(|frame| frame["clean"] == true).count();
    assert!(frames.len() >= 8 && clean * 100 >= frames.len() * 95, "{clean} of {}", frames.len());
    // A row for each chunk: there was nothing to change.
    assert!(fetch(&original, &["latest"]) == dump);

    place.opens(&["verify", "latest"]).succeeds().says("all digests verified");
    let back = fetch(&place, &["latest"]);
    assert!(back.len() > rewritten.len() && (back.len() - rewritten.len()) < frames.len() * 5 + 1);
    let listed = listing(Major::V18, &back);
    assert_eq!(listed, listing(Major::V18, &dump));
    let rows = |copy: &str| {
        cluster.psql(copy, "SELECT count(*), sum(n), md5(string_agg(repeat, '' ORDER BY n)) FROM wide")
    };
    let copy = piped(cluster, &back);
    assert_eq!(rows(&copy), rows(&database));
    for jobs in ["1", "3"] {
        let copy = fresh("chunks");
        let words = ["restore", "latest", "--jobs", jobs, "--proof", "digests", "--to", &cluster.url(&copy)];
        place.opens(&words).succeeds().says("digest by digest");
        assert_eq!(rows(&copy), rows(&database));
    }
}
