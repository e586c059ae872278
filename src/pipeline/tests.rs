//! Packing and unpacking together, and the damage that must be noticed.

use super::keys::{Ask, Identities, Recipients, SecretString, keygen};
use super::*;
use crate::error::{Error, Kind, Result};
use crate::layout::Cut;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use proptest::prelude::*;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

pub(super) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A key pair of this test run: the identity and its recipient.
pub(super) fn key_pair() -> (Arc<Identities>, Arc<Recipients>) {
    let (identity, recipient) = keygen();
    let mut identities = Identities::default();
    identities.add_text(&identity, "test", &Ask::nobody()).unwrap();
    (Arc::new(identities), Arc::new(Recipients::parse([recipient]).unwrap()))
}

pub(super) fn how(recipients: Option<Arc<Recipients>>) -> Pack {
    Pack {
        level: 3,
        recipients,
        part_size: 10_000,
        frame_size: 30_000,
        workers: 2,
        frames: true,
        progress: Counter::default(),
    }
}

fn back(identities: Option<Arc<Identities>>) -> Unpack {
    Unpack { identities, expected: None, digest: true, progress: Counter::default() }
}

/// Bytes that compress, but not to nothing.
pub(super) fn text(len: usize) -> Vec<u8> {
    (0..len as u64).flat_map(|n| format!("{}\t{}\n", n, n * 7919 % 10007).into_bytes()).take(len).collect()
}

/// Reads `bytes` in pieces of `piece`.
fn in_pieces(bytes: &[u8], piece: usize) -> impl AsyncRead + Unpin + Send + use<> {
    let pieces: Vec<io::Result<Bytes>> =
        bytes.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    StreamReader::new(stream::iter(pieces))
}

pub(super) async fn packed(
    plain: &[u8],
    piece: usize,
    watch: &mut dyn Watch,
    how: Pack,
) -> (Packed, Vec<Bytes>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let receive = async {
        let mut parts = Vec::new();
        while let Some(part) = receiver.recv().await {
            parts.push(part);
        }
        parts
    };
    let (packed, parts) = tokio::join!(pack(in_pieces(plain, piece), watch, how, sender), receive);
    (packed.unwrap(), parts)
}

/// The way to these stored bytes, in pieces of `piece`, and how many there are.
pub(super) fn stored_as(stored: &[u8], piece: usize) -> (Fetch, u64) {
    let (stored, len) = (Bytes::copy_from_slice(stored), stored.len() as u64);
    let fetch = move |range: Range<u64>| {
        let stored = stored.slice(range.start as usize..range.end as usize);
        let pieces: Vec<_> = stored.chunks(piece).map(|piece| Ok(stored.slice_ref(piece))).collect();
        stream::iter(pieces).boxed()
    };
    (Arc::new(fetch), len)
}

/// The way to bytes that come as this stream, whatever is asked for.
fn coming_as<S: Stream<Item = Result<Bytes>> + Send + 'static>(
    make: impl Fn() -> S + Send + Sync + 'static,
) -> Fetch {
    Arc::new(move |_| make().boxed())
}

/// Unpacks these stored bytes into `sink`.
async fn unpacked(
    stored: &[u8],
    piece: usize,
    how: Unpack,
    sink: &mut Vec<u8>,
    check: impl FnOnce(&Unpacked) -> Result<()>,
) -> Result<Unpacked> {
    let (fetch, len) = stored_as(stored, piece);
    unpack(fetch, len, how, &mut (), sink, check).await
}

/// A watch that knows rows of `row` bytes up to `until`, and one endless row after it.
struct Rows {
    row: u64,
    until: u64,
    seen: u64,
}

impl Watch for Rows {
    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        self.seen += bytes.len() as u64;
        Ok(())
    }

    fn boundary(&self) -> Option<Cut> {
        Some(self.seen.min(self.until) / self.row * self.row).filter(|at| *at > 0).map(Cut::clean)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_was_packed_unpacks_to_the_same(
        len in prop_oneof![Just(0), 1..200usize, 1..200_000usize],
        noise in any::<bool>(), encrypted in any::<bool>(),
        frame_size in 500..70_000usize, part_size in 100..90_000usize,
        piece in 1..9000usize, workers in 1..4usize, row in 1..3000u64, frames in any::<bool>(),
    ) {
        let plain = if noise { (0..len as u64).map(|n| ((n * n) >> 3) as u8).collect() } else { text(len) };
        runtime().block_on(async {
            let (identities, recipients) = key_pair();
            let (identities, recipients) = (encrypted.then_some(identities), encrypted.then_some(recipients));
            let how = Pack { frame_size, part_size, workers, frames, ..how(recipients) };
            let progress = how.progress.clone();
            let mut watch = Rows { row, until: u64::MAX, seen: 0 };
            let (packed, parts) = packed(&plain, piece, &mut watch, how).await;

            assert_eq!((packed.plain_bytes, watch.seen), (len as u64, len as u64));
            let sha256 = Some(Tally::of(&plain).sha256);
            assert_eq!(packed.plain_sha256, sha256.filter(|_| !frames));
            assert_eq!(progress.load(Ordering::Relaxed), len as u64);
            let (last, equal) = parts.split_last().unwrap();
            assert!(equal.iter().all(|part| part.len() == part_size) && last.len() <= part_size);
            let stored = parts.concat();
            assert_eq!(packed.stored.bytes, stored.len() as u64);
            match frames {
                true => frames_fit(&packed, frame_size, row),
                false => assert!(packed.frames.is_empty()),
            }

            let (mut sink, unpack_how) = (Vec::new(), back(identities));
            let all = unpacked(&stored, piece, unpack_how.clone(), &mut sink, |all| {
                assert_eq!((all.plain_sha256, all.stored), (sha256, packed.stored));
                Ok(())
            }).await.unwrap();
            assert_eq!(all.plain_bytes, packed.plain_bytes);
            assert_eq!(unpack_how.progress.load(Ordering::Relaxed), len as u64);
            assert!(sink == plain);
        });
    }
}

/// Frames follow each other without gaps, and all but the last end between rows.
fn frames_fit(packed: &Packed, frame_size: usize, row: u64) {
    let mut end = (0, 0);
    for frame in &packed.frames {
        assert_eq!((frame.plain_offset, frame.compressed_offset), end);
        assert!(frame.plain_len <= frame_size as u64);
        end = (end.0 + frame.plain_len, end.1 + frame.compressed_len);
        let whole_row_fits = row <= frame_size as u64;
        assert!(end.0 == packed.plain_bytes || !whole_row_fits || end.0 % row == 0);
    }
    assert_eq!(end.0, packed.plain_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_end_at_boundaries_and_each_opens_alone() {
    let plain = text(200_000);
    let mut watch = Rows { row: 7000, until: 100_000, seen: 0 };
    let (packed, parts) = packed(&plain, 4096, &mut watch, how(None)).await;
    let ends: Vec<u64> = packed.frames.iter().map(|frame| frame.plain_offset + frame.plain_len).collect();
    // Up to 98,000 there are rows; after them is one row larger than a frame.
    assert_eq!(ends, [28_000, 56_000, 84_000, 98_000, 128_000, 158_000, 188_000, 200_000]);
    let stored = Bytes::from(parts.concat());
    for frame in &packed.frames {
        let at = frame.compressed_offset as usize;
        let alone = stored.slice(at..at + frame.compressed_len as usize);
        let opened = open(alone, None, u64::MAX).await.unwrap();
        let at = frame.plain_offset as usize;
        assert!(opened == plain[at..at + frame.plain_len as usize]);
    }
}

/// Runs a tool of the distribution, feeding it `input`.
fn tool(name: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let child = Command::new(name).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child =
        child.unwrap_or_else(|e| panic!("this test needs {name} ({e}): apt-get install age zstd"));
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let feed = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(output.status.success(), "{name} {args:?} failed");
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn the_distributions_tools_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.txt");
    let (identity, recipient) = keygen();
    std::fs::write(&key, keys::ExposeSecret::expose_secret(&identity)).unwrap();
    let key = key.to_str().unwrap();
    assert_eq!(tool("age-keygen", &["-y", key], b""), format!("{recipient}\n").into_bytes());
    let recipients = Arc::new(Recipients::parse([recipient]).unwrap());
    for plain in [Vec::new(), text(1), text(300_000)] {
        let (_, parts) = packed(&plain, 8192, &mut (), how(Some(recipients.clone()))).await;
        let compressed = tool("age", &["-d", "-i", key], &parts.concat());
        assert!(tool("zstd", &["-d", "-c"], &compressed) == plain);
        let (_, parts) = packed(&plain, 8192, &mut (), Pack { level: 22, ..how(None) }).await;
        assert!(tool("zstd", &["-d", "-c"], &parts.concat()) == plain);
        let sealed = seal(plain.clone(), 3, Some(recipients.clone())).await.unwrap();
        assert!(tool("zstd", &["-d", "-c"], &tool("age", &["-d", "-i", key], &sealed)) == plain);
    }
}

/// Unpacks bytes that are not what was packed: this must fail, and the sink must lack the end.
async fn must_fail(stored: &[u8], whole: &[u8], packed: &Packed, how: Unpack, what: &str) -> Error {
    let mut sink = Vec::new();
    let refused = |all: &Unpacked| {
        let same = all.stored == packed.stored && all.plain_sha256 == Some(Tally::of(whole).sha256);
        if same { Ok(()) } else { Err(Error::verify("the digests differ")) }
    };
    let error = unpacked(stored, 4096, how, &mut sink, refused).await.expect_err(what);
    assert!(matches!(error.kind(), Kind::Verify | Kind::Settings), "{what}: {error:?}");
    assert!(
        sink.len() + HELD_BACK <= whole.len() || sink.is_empty(),
        "{what}: {} bytes came out",
        sink.len()
    );
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_noticed_and_the_end_withheld() {
    for (encrypted, plain, step) in [
        (true, text(4000), 3),
        (false, text(4000), 3),
        (true, text(400_000), 1999),
        (false, text(400_000), 1999),
    ] {
        let (identities, recipients) = key_pair();
        let packing = how(encrypted.then_some(recipients));
        // What is expected is known from the manifest; it matters if a whole copy follows the end.
        let expected = Some(plain.len() as u64);
        let back = Unpack { expected, ..back(encrypted.then_some(identities)) };
        let (packed, parts) = packed(&plain, 8192, &mut (), packing).await;
        let stored = parts.concat();
        for at in (0..stored.len()).step_by(step) {
            let mut flipped = stored.clone();
            flipped[at] ^= 1 << (at % 8);
            must_fail(&flipped, &plain, &packed, back.clone(), &format!("flip at {at}")).await;
            must_fail(&stored[..at], &plain, &packed, back.clone(), &format!("cut at {at}")).await;
        }
        for more in [&b"\0"[..], b"garbage after the end", &stored] {
            let error = must_fail(&[&stored, more].concat(), &plain, &packed, back.clone(), "more").await;
            assert_eq!(error.kind(), Kind::Verify, "{error:?}");
        }
    }
}

/// Flips one bit of what is fetched, in the first fetches only.
fn flipping(stored: &[u8], at: usize, times: usize) -> (Fetch, u64, Arc<AtomicUsize>) {
    let (fetch, len) = stored_as(stored, 5000);
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let flipped = move |range: Range<u64>| {
        let start = range.start as usize;
        let within = range.contains(&(at as u64)) && count.fetch_add(1, Ordering::Relaxed) < times;
        let mut passed = start;
        fetch(range)
            .map_ok(move |bytes| {
                let place = at.wrapping_sub(passed);
                passed += bytes.len();
                let mut bytes = bytes.to_vec();
                if let Some(byte) = bytes.get_mut(place).filter(|_| within) {
                    *byte ^= 1 << (at % 8);
                }
                bytes.into()
            })
            .boxed()
    };
    (Arc::new(flipped), len, seen)
}

/// A byte that is wrong once is right in the second reading: in frames, chunks and headers alike.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_damaged_once_is_read_again() {
    for (encrypted, plain, step) in
        [(true, text(300_000), 1499), (false, text(300_000), 1499), (true, text(900), 1)]
    {
        let (identities, recipients) = key_pair();
        let (packed, parts) = packed(&plain, 8192, &mut (), how(encrypted.then_some(recipients))).await;
        let stored = parts.concat();
        for at in (0..stored.len()).step_by(step) {
            let (fetch, len, seen) = flipping(&stored, at, 1);
            let (how, mut sink) = (back(encrypted.then(|| identities.clone())), Vec::new());
            let all = unpack(fetch, len, how.clone(), &mut (), &mut sink, |_| Ok(())).await;
            let all = all.unwrap_or_else(|e| panic!("{encrypted} {at}: {e:?}"));
            assert!(sink == plain, "{at}");
            let sha256 = Some(Tally::of(&plain).sha256);
            assert_eq!((all.plain_sha256, all.stored), (sha256, packed.stored), "{at} of {len}");
            assert!(seen.load(Ordering::Relaxed) > 1, "{at}: it was read once");
            let (fetch, len, _) = flipping(&stored, at, usize::MAX);
            unpack(fetch, len, how, &mut (), &mut Vec::new(), |_| Ok(())).await.unwrap_err();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn truncation_at_a_chunk_of_age_or_inside_a_zstd_frame_is_noticed_without_digests() {
    let (identities, recipients) = key_pair();
    let noise: Vec<u8> = (0..300_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (_, parts) = packed(&noise, 8192, &mut (), how(Some(recipients))).await;
    let stored = parts.concat();
    let header = stored.len() % (65536 + 16);
    for cut in (1..4).map(|chunks| stored.len() - chunks * (65536 + 16)).chain([header, 10]) {
        let mut sink = Vec::new();
        let how = back(Some(identities.clone()));
        let error = unpacked(&stored[..cut], 9999, how, &mut sink, |_| Ok(())).await;
        assert_eq!(error.unwrap_err().kind(), Kind::Verify, "cut at {cut}");
    }
    let (packed, parts) = packed(&noise, 8192, &mut (), how(None)).await;
    let stored = parts.concat();
    let second = packed.frames[1];
    for cut in [second.compressed_offset + 1, second.compressed_offset + second.compressed_len - 1, 3, 0] {
        let mut sink = Vec::new();
        let error = unpacked(&stored[..cut as usize], 9999, back(None), &mut sink, |_| Ok(())).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Verify, "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_fit_are_told_from_damage() {
    let (_, recipients) = key_pair();
    let (other, other_public) = key_pair();
    let sealed = Bytes::from(seal(text(100), 3, Some(recipients)).await.unwrap());
    let error = open(sealed.clone(), Some(other), 1000).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Settings);
    assert!(error.hints()[0].contains(&other_public.fingerprints()[0]), "{error:?}");
    let error = open(sealed, None, 1000).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Verify);

    let mut recipients = Recipients::default();
    recipients.add_passphrase(SecretString::from("right")).unwrap();
    let sealed = Bytes::from(seal(text(100), 3, Some(Arc::new(recipients))).await.unwrap());
    let with = |passphrase: &str| {
        let mut identities = Identities::default();
        identities.add_passphrase(SecretString::from(passphrase));
        Some(Arc::new(identities))
    };
    assert_eq!(open(sealed.clone(), with("right"), 1000).await.unwrap(), text(100));
    assert_eq!(open(sealed.clone(), with("wrong"), 1000).await.unwrap_err().kind(), Kind::Settings);
    let error = open(sealed, Some(key_pair().0), 1000).await.unwrap_err();
    assert!(error.message().contains("with a passphrase"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused() {
    let zeros = Bytes::from(seal(vec![0; 10_000_000], 3, None).await.unwrap());
    assert!(zeros.len() < 2000);
    assert_eq!(open(zeros.clone(), None, 10_000_000).await.unwrap().len(), 10_000_000);
    assert_eq!(open(zeros.clone(), None, 9_999_999).await.unwrap_err().kind(), Kind::Verify);
    let (how, mut sink) = (Unpack { expected: Some(1_000_000), ..back(None) }, Vec::new());
    let error = unpacked(&zeros, 9999, how, &mut sink, |_| Ok(())).await.unwrap_err();
    assert!(error.kind() == Kind::Verify && sink.len() <= 1_000_000);
    let header = coming_as(|| {
        let begun = stream::iter([Ok(Bytes::from("age-encryption.org/v1\n-> X25519 "))]);
        begun.chain(stream::repeat_with(|| Ok(Bytes::from(vec![b'A'; 1 << 16]))))
    });
    let how = back(Some(key_pair().0));
    let error = unpack(header, u64::MAX, how, &mut (), &mut Vec::new(), |_| Ok(())).await.unwrap_err();
    assert!(error.message().contains("header does not end"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_comes_out_as_it_went_in() {
    struct Stubborn;
    impl Watch for Stubborn {
        fn look(&mut self, bytes: &[u8]) -> Result<()> {
            if bytes.is_empty() { Ok(()) } else { Err(Error::verify("not an archive")) }
        }
    }
    struct Broken;
    impl AsyncWrite for Broken {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &[u8],
        ) -> std::task::Poll<io::Result<usize>> {
            std::task::Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }

    let failing = |after: Vec<u8>| {
        let failure = Error::postgres("pg_dump died").into_io();
        StreamReader::new(stream::iter([Ok(Bytes::from(after)), Err(failure)]))
    };
    for len in [1, 100, 500_000] {
        let (sender, mut receiver) = mpsc::channel(1);
        let drain = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
        let error = pack(failing(text(len)), &mut (), how(None), sender).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Postgres, "pg_dump died"));
        drain.await.unwrap();
    }
    let (sender, _receiver) = mpsc::channel(1);
    let error = pack(in_pieces(&text(500), 100), &mut Stubborn, how(None), sender).await.unwrap_err();
    assert_eq!(error.message(), "not an archive");
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let error = pack(in_pieces(&text(500_000), 5000), &mut (), how(None), sender).await.unwrap_err();
    assert_eq!(error.message(), "the receiver of the parts is gone");

    let stored = Bytes::from(seal(text(500_000), 3, None).await.unwrap());
    let (source, len) = (stored.slice(..1000), stored.len() as u64);
    let source = coming_as(move || stream::iter([Ok(source.clone()), Err(Error::store("unreachable"))]));
    let error = unpack(source, len, back(None), &mut (), &mut Vec::new(), |_| Ok(())).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Store, "unreachable"));
    let whole = || stored_as(&stored, 1000).0;
    let error =
        unpack(whole(), len, back(None), &mut Stubborn, &mut Vec::new(), |_| Ok(())).await.unwrap_err();
    assert_eq!(error.message(), "not an archive");
    let error = unpack(whole(), len, back(None), &mut (), &mut Broken, |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LocalFile);
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
    let mut sink = Vec::new();
    let no = |_: &Unpacked| Err(Error::verify("no"));
    let error = unpack(whole(), len, back(None), &mut (), &mut sink, no).await.unwrap_err();
    assert_eq!(error.message(), "no");
    assert!(sink.len() + HELD_BACK <= 500_000);
}

/// Runs `work` for a moment, drops it, and expects every thread to end soon.
fn ends_when_dropped(work: impl Future) {
    let runtime = runtime();
    let given_up = runtime.block_on(async { tokio::time::timeout(Duration::from_millis(100), work).await });
    assert!(given_up.is_err(), "it ended by itself");
    let started = Instant::now();
    drop(runtime);
    assert!(started.elapsed() < Duration::from_secs(2), "threads ran on");
}

#[test]
fn a_dropped_run_ends_its_threads() {
    let (_, recipients) = key_pair();
    let (stuck, _kept) = mpsc::channel(1);
    // Nobody takes the parts, and the receiver stays.
    ends_when_dropped(pack(tokio::io::repeat(7), &mut (), how(Some(recipients)), stuck));
    let (sender, _kept) = mpsc::channel(1);
    let silent = StreamReader::new(stream::pending::<io::Result<Bytes>>());
    ends_when_dropped(pack(silent, &mut (), how(None), sender));
    let silent = coming_as(stream::pending::<Result<Bytes>>);
    ends_when_dropped(async { unpack(silent, 9, back(None), &mut (), &mut Vec::new(), |_| Ok(())).await });
    let frame = runtime().block_on(seal(text(1_000_000), 3, None)).unwrap();
    let endless = coming_as(move || {
        let frame = Bytes::from(frame.clone());
        stream::repeat_with(move || Ok(frame.clone()))
    });
    let (mut sink, _other_end) = tokio::io::duplex(1000);
    ends_when_dropped(async { unpack(endless, u64::MAX, back(None), &mut (), &mut sink, |_| Ok(())).await });
}

#[test]
fn packing_and_unpacking_may_move_between_threads() {
    fn is_send(_: &impl Send) {}
    let (sender, _receiver) = mpsc::channel(1);
    let (mut watch, mut sink) = ((), Vec::new());
    is_send(&pack(tokio::io::empty(), &mut watch, how(None), sender));
    is_send(&unpack(coming_as(stream::empty), 0, back(None), &mut watch, &mut sink, |_| Ok(())));
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_keys_open_what_they_are_for() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, passphrase) in [("ed25519", ""), ("rsa", ""), ("ed25519", "secret words")] {
        let path = folder.path().join(format!("{kind}{}", passphrase.len()));
        tool("ssh-keygen", &["-q", "-t", kind, "-N", passphrase, "-f", path.to_str().unwrap()], b"");
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        let recipients = Recipients::parse([public]).unwrap();
        let listed = tool("ssh-keygen", &["-l", "-f", path.to_str().unwrap()], b"");
        let listed = String::from_utf8(listed).unwrap();
        assert_eq!(recipients.fingerprints(), [listed.split(' ').nth(1).unwrap()]);
        open_with_file(&path, passphrase, Arc::new(recipients)).await;
    }
}

async fn open_with_file(path: &Path, passphrase: &'static str, recipients: Arc<Recipients>) {
    let mut identities = Identities::default();
    if !passphrase.is_empty() {
        let error = identities.add_file(path, &Ask::nobody()).unwrap_err();
        assert!(error.message().contains("passphrase"), "{error:?}");
        let wrong = Ask::new(|_| Some(SecretString::from("wrong")));
        assert!(identities.add_file(path, &wrong).unwrap_err().message().contains("is wrong"));
    }
    identities.add_file(path, &Ask::new(move |_| Some(SecretString::from(passphrase)))).unwrap();
    assert_eq!(identities.fingerprints(), recipients.fingerprints());
    let sealed = seal(text(1000), 3, Some(recipients)).await.unwrap();
    assert_eq!(open(sealed.into(), Some(Arc::new(identities)), 1000).await.unwrap(), text(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_identity_files_open_with_their_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, recipient) = keygen();
    let mut protection = Recipients::default();
    protection.add_passphrase(SecretString::from("pass")).unwrap();
    for armored in [false, true] {
        let format = if armored { age::armor::Format::AsciiArmor } else { age::armor::Format::Binary };
        let mut file = Vec::new();
        let armor = age::armor::ArmoredWriter::wrap_output(&mut file, format).unwrap();
        let mut encrypt = protection.encryptor().unwrap().wrap_output(armor).unwrap();
        encrypt.write_all(keys::ExposeSecret::expose_secret(&identity).as_bytes()).unwrap();
        encrypt.finish().unwrap().finish().unwrap();
        let path = folder.path().join(format!("{armored}.age"));
        std::fs::write(&path, &file).unwrap();
        open_with_file(&path, "pass", Arc::new(Recipients::parse([&recipient]).unwrap())).await;
    }
}
