//! Header and table of contents as they pass: what comes before the first block of data.

use crate::archive::format::damage::{ArchivePart, Damage};
use crate::archive::format::entry::{self, TocEntry};
use crate::archive::format::fields::{Fields, Layout, leading_int};
use crate::archive::format::header::{self, Header};
use crate::archive::format::preamble::Preamble;
use crate::archive::format::toc::Toc;
use crate::archive::format::version::Version;

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
pub struct PreambleReader {
    stage: Stage,
    fields: Fields,
    header: Option<Header>,
    /// Those read so far, until the table of contents is complete.
    entries: Vec<TocEntry>,
    toc: Option<Toc>,
}

impl PreambleReader {
    pub fn new() -> Self {
        let fields = header::prologue();
        Self { stage: Stage::Prologue, fields, header: None, entries: Vec::new(), toc: None }
    }

    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The table of contents, once it is complete.
    pub fn toc(&self) -> Option<&Toc> {
        self.toc.as_ref()
    }

    /// Where the bytes taken so far end in the archive.
    pub fn end(&self) -> u64 {
        self.fields.end()
    }

    /// Header and table of contents, or where the stream was cut.
    pub fn finish(self) -> Result<Preamble, Damage> {
        match (self.header, self.toc) {
            (Some(header), Some(toc)) => Ok(Preamble { header, toc }),
            (Some(_), None) => Err(Damage::Truncated(ArchivePart::Toc)),
            (None, _) => Err(Damage::Truncated(ArchivePart::Header)),
        }
    }

    /// Takes from the front of `bytes` what belongs to the preamble; true when it is complete.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<bool, Damage> {
        while !matches!(self.stage, Stage::Complete) {
            let filled = self.fields.fill(bytes)?;
            if matches!(self.stage, Stage::Prologue) && !header::plausible(self.fields.held()) {
                return Err(Damage::NotAnArchive);
            }
            if !filled {
                return Ok(false);
            }
            self.stage = self.next()?;
        }
        Ok(true)
    }

    /// Understands the fields, now complete, and begins those that follow.
    fn next(&mut self) -> Result<Stage, Damage> {
        match std::mem::replace(&mut self.stage, Stage::Complete) {
            Stage::Prologue => {
                let version = header::version(&self.fields)?;
                let prologue = self.fields.held().to_vec();
                self.fields = header::rest(version, self.fields.end());
                Ok(Stage::Header { version, prologue })
            }
            Stage::Header { version, prologue } => {
                self.header = Some(header::header(version, &prologue, &self.fields)?);
                self.fields = Fields::new(self.fields.end(), vec![Layout::Int]);
                Ok(Stage::Count)
            }
            Stage::Count => {
                let count = leading_int(self.fields.held()).and_then(|count| usize::try_from(count).ok());
                let left = count.ok_or_else(|| self.fields.malformed("the number of entries is invalid"))?;
                let version = self.header.as_ref().map_or(Version::NEWEST, |header| header.version);
                self.fields = Fields::new(self.fields.end(), entry::layout(version));
                Ok(self.entries(left))
            }
            Stage::Entries { left } => {
                self.entries.push(TocEntry::new(&self.fields)?);
                self.fields.restart();
                Ok(self.entries(left - 1))
            }
            Stage::Complete => Ok(Stage::Complete),
        }
    }

    /// The stage in which this many entries are left.
    fn entries(&mut self, left: usize) -> Stage {
        if left > 0 {
            return Stage::Entries { left };
        }
        self.toc = Some(Toc::new(std::mem::take(&mut self.entries)));
        Stage::Complete
    }
}
