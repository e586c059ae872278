//! Encrypts what is written into it with age, and writes it into the stage it wraps.

use super::keys::Recipients;
use crate::error::{Error, Kind, Result};
use age::stream::StreamWriter;
use std::io::{self, Write};

/// Encrypts, or passes bytes on unchanged; must be finished, or what it wrote cannot be opened.
pub enum Encrypt<W> {
    /// Not encrypted.
    Readable(W),
    /// age's binary format.
    Age(Box<StreamWriter<W>>),
}

impl<W: Write> Encrypt<W> {
    /// Begins a stream for these recipients. May take a second for a passphrase, or call a plugin.
    pub fn new(recipients: Option<&Recipients>, next: W) -> Result<Self> {
        let Some(recipients) = recipients else { return Ok(Self::Readable(next)) };
        let stream = recipients.encryptor()?.wrap_output(next).map_err(cannot_pack)?;
        Ok(Self::Age(Box::new(stream)))
    }

    /// Writes what is left and returns the wrapped stage.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Readable(next) => Ok(next),
            Self::Age(stream) => stream.finish(),
        }
    }
}

impl<W: Write> Write for Encrypt<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Readable(next) => next.write(bytes),
            Self::Age(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Readable(next) => next.flush(),
            Self::Age(stream) => stream.flush(),
        }
    }
}

/// The failure of a write into the pipe.
pub fn cannot_pack(error: io::Error) -> Error {
    Error::from_io(error, Kind::Unexpected, "pack")
}
