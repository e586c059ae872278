//! What the archive reader costs: its speed on one core next to a plain copy, and what it adds to the way of a
//! backup. Run by `make bench`, which gives it a dump.
//!
//! ```text
//! reader DUMP                    on the bytes of a file, from memory
//! reader DUMP pg_dump -Fc …      and on what this command writes, as a backup reads it
//! ```
//!
//! The way of a backup is the program's own, from the source to finished parts, which are then dropped: once
//! with the reader and its digests looking on, once with nobody. Both alternate, and the ratio is taken pair
//! by pair.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has nothing to tell"
)]

use pgstow::archive::Reader;
use pgstow::pipeline::keys::{Recipients, keygen};
use pgstow::pipeline::{FRAME, Pack, pack};
use pgstow::progress::Progress;
use pgstow::stored::watch::ArchiveWatch;
use std::hint::black_box;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncRead;
use tokio::process::Command;
use tokio::sync::mpsc;

/// Pairs measured; the first of them warms up and does not count.
const ROUNDS: usize = 6;
/// Bytes handed over at once, as the frames of a backup are.
const PIECE: usize = 1 << 20;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let Some(path) = words.next() else {
        println!("reader: no dump was given; nothing is measured");
        return;
    };
    let dump = std::fs::read(path).unwrap();
    let command: Vec<String> = words.collect();

    println!("| one core, {:.2} GB of dump | GB/s |\n|---|---|", dump.len() as f64 / 1e9);
    speed("memory copy", &dump, copying);
    speed("archive reader", &dump, || reading(Reader::new()));
    speed("archive reader with a SHA-256 of every table", &dump, || reading(Reader::with_digests()));

    println!(
        "\n| the way of a backup | with the reader, s | without, s | ratio of the pairs |\n|---|---|---|---|"
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        compare("from memory", async || dump.as_slice()).await;
        if let Some((program, words)) = command.split_first() {
            let line = command.join(" ");
            let spawned = async || {
                let mut child = Command::new(program).args(words).stdout(Stdio::piped()).spawn().unwrap();
                let stdout = child.stdout.take().unwrap();
                tokio::spawn(async move { assert!(child.wait().await.unwrap().success()) });
                stdout
            };
            compare(&format!("from `{line}`"), spawned).await;
        }
    });
}

fn copying() -> impl FnMut(&[u8]) {
    let mut to = vec![0; PIECE];
    move |piece| {
        let to = to.get_mut(..piece.len()).unwrap();
        to.copy_from_slice(piece);
        black_box(to);
    }
}

fn reading(mut reader: Reader) -> impl FnMut(&[u8]) {
    move |piece| reader.feed(piece).unwrap()
}

/// Prints the best of some runs over the whole dump: whatever disturbs a run only makes it slower.
fn speed<Look: FnMut(&[u8])>(what: &str, dump: &[u8], mut begin: impl FnMut() -> Look) {
    let seconds = (0..ROUNDS).map(|_| {
        let mut look = begin();
        let started = Instant::now();
        dump.chunks(PIECE).for_each(&mut look);
        started.elapsed().as_secs_f64()
    });
    let best = seconds.fold(f64::INFINITY, f64::min);
    println!("| {what} | {:.2} |", dump.len() as f64 / 1e9 / best);
}

/// Prints the medians with and without the reader, and the ratio of the pairs.
async fn compare<Source: AsyncRead + Unpin + Send>(what: &str, source: impl AsyncFn() -> Source) {
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let with_reader = way(source().await, true).await;
        let alone = way(source().await, false).await;
        if round > 0 {
            with.push(with_reader);
            without.push(alone);
            ratios.push(with_reader / alone);
        }
    }
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ratios.iter().copied().fold(0.0, f64::max);
    println!(
        "| {what} | {:.2} | {:.2} | **{:.3}** ({lowest:.3}–{highest:.3}) |",
        median(with),
        median(without),
        median(ratios)
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Takes everything the way of a backup; seconds from its first byte to its last part.
async fn way(source: impl AsyncRead + Unpin + Send, with_reader: bool) -> f64 {
    let recipients = Recipients::parse([keygen().1]).unwrap();
    let how = Pack {
        level: 3,
        recipients: Some(Arc::new(recipients)),
        part_size: 8 << 20,
        frame_size: FRAME,
        workers: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)),
        frames: with_reader,
        progress: Arc::default(),
    };
    let (parts, mut to_drop) = mpsc::channel(1);
    let dropping = async { while to_drop.recv().await.is_some() {} };
    let started = Instant::now();
    if with_reader {
        let mut watch = ArchiveWatch::with_digests(Progress::default());
        let (packed, ()) = tokio::join!(pack(source, &mut watch, how, parts), dropping);
        packed.unwrap();
        watch.finish().unwrap();
    } else {
        let mut nobody = ();
        let (packed, ()) = tokio::join!(pack(source, &mut nobody, how, parts), dropping);
        packed.unwrap();
    }
    started.elapsed().as_secs_f64()
}
