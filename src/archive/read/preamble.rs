//! Header and table of contents as they pass: what comes before the first block of data.

use crate::archive::format::damage::{Damage, Place};
use crate::archive::format::header::{self, Header};
use crate::archive::format::item::{Item, Shape, leading_int};
use crate::archive::format::toc::{self, Toc, TocEntry};
use crate::archive::format::version::Version;
use std::sync::Arc;

/// What is being collected.
#[derive(Debug)]
enum Stage {
    Prologue,
    Header { version: Version, prologue: Vec<u8> },
    Count,
    Entries { left: usize },
    Complete,
}

/// The reader of the preamble.
#[derive(Debug)]
pub(in crate::archive) struct Preamble {
    stage: Stage,
    item: Item,
    header: Option<Header>,
    toc: Toc,
}

impl Preamble {
    pub(in crate::archive) fn new() -> Self {
        Self { stage: Stage::Prologue, item: header::prologue(), header: None, toc: Toc::default() }
    }

    pub(in crate::archive) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The table of contents, once it is complete.
    pub(in crate::archive) fn toc(&self) -> Option<&Toc> {
        matches!(self.stage, Stage::Complete).then_some(&self.toc)
    }

    /// Where the bytes taken so far end in the archive.
    pub(in crate::archive) fn end(&self) -> u64 {
        self.item.end()
    }

    /// What a stream that ends now was cut in.
    pub(in crate::archive) fn place(&self) -> Place {
        if self.header.is_none() { Place::Header } else { Place::Toc }
    }

    /// Header and table of contents, or where the stream was cut.
    pub(in crate::archive) fn finish(self) -> Result<(Header, Toc), Damage> {
        let place = self.place();
        match (self.stage, self.header) {
            (Stage::Complete, Some(header)) => Ok((header, self.toc)),
            _ => Err(Damage::Truncated(place)),
        }
    }

    /// Takes from the front of `bytes` what belongs to the preamble; true when it is complete.
    pub(in crate::archive) fn feed(&mut self, bytes: &mut &[u8]) -> Result<bool, Damage> {
        while !matches!(self.stage, Stage::Complete) {
            let filled = self.item.fill(bytes)?;
            if matches!(self.stage, Stage::Prologue) && !header::plausible(self.item.held()) {
                return Err(Damage::NotAnArchive);
            }
            if !filled {
                return Ok(false);
            }
            self.stage = self.next()?;
        }
        Ok(true)
    }

    /// Understands the item, now complete, and begins the one that follows.
    fn next(&mut self) -> Result<Stage, Damage> {
        match std::mem::replace(&mut self.stage, Stage::Complete) {
            Stage::Prologue => {
                let version = header::version(&self.item)?;
                let prologue = self.item.held().to_vec();
                self.item = header::rest(version, self.item.end());
                Ok(Stage::Header { version, prologue })
            }
            Stage::Header { version, prologue } => {
                self.header = Some(header::header(version, &prologue, &self.item)?);
                self.item = Item::new(self.item.end(), vec![Shape::Int]);
                Ok(Stage::Count)
            }
            Stage::Count => {
                let count = leading_int(self.item.held()).and_then(|count| usize::try_from(count).ok());
                let left = count.ok_or_else(|| self.item.malformed("the number of entries is impossible"))?;
                self.toc.count = self.item.held().try_into().unwrap_or_default();
                let version = self.header.as_ref().map_or(Version::NEWEST, |header| header.version);
                self.item = Item::new(self.item.end(), toc::layout(version));
                Ok(if left == 0 { Stage::Complete } else { Stage::Entries { left } })
            }
            Stage::Entries { left } => {
                Arc::make_mut(&mut self.toc.entries).push(TocEntry::new(&self.item)?);
                self.item.restart();
                Ok(if left == 1 { Stage::Complete } else { Stage::Entries { left: left - 1 } })
            }
            Stage::Complete => Ok(Stage::Complete),
        }
    }
}
