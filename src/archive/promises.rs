//! What the reader promises for any bytes, to be checked on bytes that a test or a fuzzer made up.
//!
//! Not part of the program: the fuzzer takes this file by its path.

use crate::archive::{Block, Compression, Contents, Damage, Preamble, Reader, TocEntry};
use crate::layout::{Cut, Seam};

/// Reads `bytes` in several ways, and panics if the reader breaks a promise.
pub fn check(bytes: &[u8]) {
    let whole = fed(bytes, std::iter::once(bytes.len()));
    assert_eq!(whole, fed(bytes, std::iter::repeat(1)), "fed byte by byte it is another archive");
    assert_eq!(whole, fed(bytes, sizes(bytes)), "fed in pieces it is another archive");
    match &whole {
        Ok(contents) => {
            check_contents(bytes, contents);
            check_second_look(bytes, contents);
            check_cuts(bytes, contents);
            check_seams(bytes, contents);
            check_parts(bytes, contents);
        }
        Err(damage) => {
            let sentence = damage.to_string();
            assert!(!sentence.chars().any(char::is_control), "not fit to be printed: {sentence:?}");
        }
    }
}

/// Sizes without a pattern, from nothing to some hundred bytes, that depend on the bytes alone.
fn sizes(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |state, &byte| mix(state, byte)) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize % if state & 3 == 0 { 500 } else { 12 }
    })
}

/// Feeds everything in pieces of these sizes, and looks at the reader after each.
fn fed(bytes: &[u8], mut sizes: impl Iterator<Item = usize>) -> Result<Contents, Damage> {
    let mut reader = Reader::with_digests();
    let mut rest = bytes;
    let (mut boundary, mut blocks) = (None, 0);
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(sizes.next().unwrap_or(usize::MAX).min(rest.len()));
        rest = later;
        let outcome = reader.feed(piece);
        let now = reader.boundary().map(|cut| cut.at);
        assert!(now >= boundary, "the boundary went back");
        assert!(reader.blocks().len() >= blocks, "a block was taken back");
        (boundary, blocks) = (now, reader.blocks().len());
        assert!(boundary.is_none_or(|at| at <= reader.position()), "a boundary that has not passed");
        if let Err(damage) = outcome {
            assert_eq!(reader.feed(b"more"), Err(damage.clone()), "damage is forgotten");
            assert_eq!(reader.finish().map(|_| ()), Err(damage.clone()), "damage is forgotten");
            return Err(damage);
        }
        assert_eq!(reader.position(), (bytes.len() - rest.len()) as u64, "not all was understood");
    }
    reader.finish()
}

/// Everything that was found in a whole archive lies in it, once and in order.
fn check_contents(bytes: &[u8], contents: &Contents) {
    assert_eq!(contents.length, bytes.len() as u64);
    let preamble = contents.preamble().to_bytes();
    assert!(bytes.starts_with(&preamble), "the preamble is not what was read");
    let mut end = preamble.len() as u64;
    assert_eq!(contents.blocks.len(), contents.toc.with_data().count());
    for (entry, block) in contents.toc.with_data().zip(&contents.blocks) {
        assert_eq!(entry.dump_id(), block.dump_id);
        assert_eq!(block.range.start, end, "the blocks leave a gap");
        if contents.header.compression != Compression::Gzip {
            assert!(block.raw_bytes < block.range.end - block.range.start, "more data than bytes");
        }
        assert!(block.rows.is_none_or(|rows| rows <= block.raw_bytes), "more rows than bytes");
        assert!(block.objects.is_none() || block.rows.is_none());
        assert!(block.sha256.is_some());
        end = block.range.end;
    }
    assert_eq!(end, contents.length, "bytes that belong to nothing");
    for entry in contents.toc.entries() {
        assert!(bytes.get(entry.range().start as usize..entry.range().end as usize) == Some(entry.raw()));
        assert!(!entry.label().chars().any(char::is_control), "not fit to be printed: {entry:?}");
        let _ = (entry.dependencies().count(), entry.rel_kind(), entry.is_copy());
    }
    let _ = (contents.toc.tables(), contents.rows(), contents.toc.encoding(), contents.toc.create_database());
    let _ = (contents.toc.torn_definitions(), contents.toc.role_uses());
}

/// A second look, taken when the reader has passed already, finds the same.
fn check_second_look(bytes: &[u8], contents: &Contents) {
    let mut reader = Reader::new();
    assert_eq!(reader.feed(bytes), Ok(()));
    let Some(mut digests) = reader.digests() else { unreachable!("the table of contents has passed") };
    let (mut offset, mut sizes) = (0, sizes(bytes));
    while offset < bytes.len() {
        let end = (offset + sizes.next().unwrap_or(1)).min(bytes.len());
        assert_eq!(digests.feed(offset as u64, bytes.get(offset..end).unwrap_or_default()), Ok(()));
        offset = end;
    }
    assert_eq!(digests.finish().as_ref(), Ok(&contents.blocks), "the second look differs");
}

/// A whole archive is not whole with a byte less or more, nor at the end of any of its parts.
fn check_cuts(bytes: &[u8], contents: &Contents) {
    let ends = contents.blocks.iter().map(|block| block.range.start as usize).take(8);
    for end in ends.chain([bytes.len() - 1]) {
        let cut = bytes.get(..end).unwrap_or_default();
        assert!(fed(cut, std::iter::once(end)).is_err(), "whole without its end: {end}");
    }
    let longer = [bytes, b"\0"].concat();
    assert_eq!(fed(&longer, std::iter::repeat(4096)), Err(Damage::Trailing(contents.length)));
}

/// Cut where the reader says, with seams, it is an archive that holds the same.
fn check_seams(bytes: &[u8], contents: &Contents) {
    let mut reader = Reader::with_digests();
    let (mut seamed, mut sizes, mut rest) = (Vec::new(), sizes(bytes), bytes);
    let mut last = 0;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        rest = later;
        seamed.extend_from_slice(piece);
        assert_eq!(reader.feed(piece), Ok(()));
        let Some(Cut { at, seam }) = reader.boundary().filter(|cut| cut.at > last) else { continue };
        if let Some(Seam { head_at, before, after }) = seam {
            assert!(last <= head_at, "the head of a chunk that was cut already");
            let (head_at, at) = (head_at as usize, at as usize);
            seamed.splice(head_at..head_at + before.len(), before);
            seamed.splice(at..at, after);
        }
        reader.cut();
        last = at;
        assert_eq!(reader.boundary(), Some(Cut::clean(at)));
        assert_eq!(reader.position(), seamed.len() as u64, "what was inserted is not counted");
    }
    let whole = reader.finish();
    assert_eq!(whole, fed(&seamed, std::iter::once(seamed.len())), "the seams make it another archive");
    let held = |contents: &Contents| contents.blocks.iter().map(held).collect::<Vec<_>>();
    assert_eq!(whole.as_ref().map(held), Ok(held(contents)), "it holds something else");
}

/// What a block holds, however it is cut into chunks.
fn held(block: &Block) -> (u64, Option<u64>, Option<u64>, Option<[u8; 32]>) {
    (block.raw_bytes, block.rows, block.objects, block.sha256)
}

/// Each block alone, with its entry, is an archive, and holds the same.
fn check_parts(bytes: &[u8], contents: &Contents) {
    let preamble = contents.preamble();
    let Ok(again) = Preamble::read(&preamble.to_bytes()) else { unreachable!("it was read before") };
    assert_eq!(again, preamble);
    for (index, block) in contents.blocks.iter().enumerate().take(8) {
        let data = bytes.get(block.range.start as usize..block.range.end as usize).unwrap_or_default();
        let entry = contents.toc.with_data().nth(index).map(TocEntry::range);
        let part = preamble.keep(|candidate| Some(candidate.range()) == entry).to_bytes();
        let Ok(part) = fed(&[&part, data].concat(), std::iter::repeat(4096)) else {
            unreachable!("a part of an archive is not one: {block:?}")
        };
        assert!(part.blocks.iter().map(|part| part.sha256).eq([block.sha256]), "another block: {block:?}");
    }
}
