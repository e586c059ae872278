//! `pg_dump` dies, loses its server, or ends well with half an archive.

use super::scene::{Between, Place, Source, aftermath, backup, backup_of};
use crate::servers::postgres::{PASSWORD, USER};
use pgstow::error::Kind;

#[test]
fn pg_dump_is_killed_early() {
    killed_after(10, &Place::folder());
}

#[test]
fn pg_dump_is_killed_half_way() {
    killed_after(50, &Place::bucket("dump-killed"));
}

#[test]
fn pg_dump_is_killed_shortly_before_its_end() {
    killed_after(99, &Place::bucket("dump-killed"));
}

fn killed_after(percent: usize, place: &Place) {
    let source = Source::shared();
    let killer = Between::new(source.cluster, &format!("head -c {}; kill -KILL $$", source.share(percent)));
    let run = backup(source, place).args(killer.words()).fails(Kind::Postgres);
    run.says("pg_dump was killed by signal 9");
    aftermath(source, place);
}

#[test]
fn the_backend_is_terminated_amid_a_copy() {
    let source = Source::new();
    let place = Place::bucket("dump-terminated");
    let gate = Between::gate(source.cluster, source.share(50));
    // By the socket, which holds little: over TCP the server may have sent the whole table already.
    let cluster = source.cluster;
    let (folder, port) = (cluster.socket_folder().display(), cluster.port);
    let url = format!("postgres://{USER}:{PASSWORD}@/{}?host={folder}&port={port}", source.database);
    let running = backup_of(&url, &place).args(gate.words()).spawn();
    gate.is_reached();
    let of_pg_dump = format!("datname = '{}' AND state = 'active' AND query LIKE 'COPY%'", source.database);
    let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {of_pg_dump}");
    assert_eq!(cluster.psql("postgres", &sql), "t");
    gate.go();
    let run = running.wait().assert_failure(Kind::Postgres);
    // A backend that waits to send ends without a word.
    run.says("Dumping the contents of table \"beta\" failed")
        .says("hint: the server or something in between ended the session");
    aftermath(&source, &place);
}

/// `pg_dump` exits with 0, but not all it wrote arrives.
#[test]
fn the_archive_is_cut() {
    let source = Source::shared();
    let place = Place::folder();
    let cut_at = |bytes: u64, said: &str| {
        let cutter = Between::new(source.cluster, &format!("head -c {bytes}; cat >/dev/null"));
        let run = backup(source, &place).args(cutter.words()).fails(Kind::Verify);
        run.says(said);
        assert!(place.listed().is_empty() && place.keys().is_empty() && place.unfinished().is_empty());
    };
    let [alpha, beta, .., tail] = &source.contents.blocks[..] else { panic!("too few tables") };
    cut_at(0, "the archive is cut off in its header");
    cut_at(20, "the archive is cut off in its header");
    cut_at(alpha.range.start / 2, "the archive is cut off in its table of contents");
    // Between two blocks: what is there looks like the archive of a smaller database.
    cut_at(alpha.range.start, "the archive is cut off before the data of public.alpha and 4 more");
    cut_at(alpha.range.end, "the archive is cut off before the data of public.beta and 3 more");
    cut_at(tail.range.start, "the archive is cut off before the data of public.tail");
    cut_at(beta.range.start + 3, "the archive is cut off in the data of public.beta");
    cut_at((beta.range.start + beta.range.end) / 2, "the archive is cut off in the data of public.beta");
    cut_at(tail.range.end - 1, "the archive is cut off in the data of public.tail");
    aftermath(source, &place);
}

#[test]
fn the_archive_is_cut_after_parts_were_stored() {
    let source = Source::shared();
    let place = Place::bucket("dump-cut");
    let end_of_beta = source.contents.blocks[1].range.end;
    let cutter = Between::new(source.cluster, &format!("head -c {end_of_beta}; cat >/dev/null"));
    let run = backup(source, &place).args(cutter.words()).fails(Kind::Verify);
    run.says("the archive is cut off before the data of");
    aftermath(source, &place);
}

#[test]
fn something_follows_the_archive() {
    let source = Source::shared();
    let place = Place::folder();
    let adder = Between::new(source.cluster, "cat; echo more");
    backup(source, &place).args(adder.words()).fails(Kind::Verify).says("but more bytes follow");
    aftermath(source, &place);
}
