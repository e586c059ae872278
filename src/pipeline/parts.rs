//! Cuts what is written into it into equal parts and hands them to the uploader.

use super::buffers::{Buffer, Pool};
use crate::error::Error;
use bytes::Bytes;
use std::io::{self, Write};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The end of the pipe: sends parts; must be finished. Lives on a blocking thread.
pub struct Parts {
    size: usize,
    pool: Pool,
    filling: Option<Buffer>,
    sent: u64,
    sender: mpsc::Sender<Bytes>,
    stop: CancellationToken,
}

impl Parts {
    /// Prepares parts of `size` bytes; waiting for the receiver ends when `stop` is cancelled.
    pub fn new(size: usize, sender: mpsc::Sender<Bytes>, stop: CancellationToken) -> Self {
        let size = size.max(1);
        Self { size, pool: Pool::unbounded(size), filling: None, sent: 0, sender, stop }
    }

    /// Sends the last part, which may be shorter; an empty stream is one empty part.
    pub fn finish(mut self) -> io::Result<()> {
        if self.filling.is_some() || self.sent == 0 {
            self.send()?;
        }
        Ok(())
    }

    fn filling(&mut self) -> &mut Buffer {
        self.filling.get_or_insert_with(|| Handle::current().block_on(self.pool.take()))
    }

    fn send(&mut self) -> io::Result<()> {
        self.filling();
        let part = self.filling.take().map(Buffer::freeze).unwrap_or_default();
        self.sent += 1;
        Handle::current().block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(super::given_up().into_io()),
                sent = self.sender.send(part) => {
                    sent.map_err(|_| Error::unexpected("the parts are no longer received").into_io())
                }
            }
        })
    }
}

impl Write for Parts {
    /// Always takes all of `bytes`: age cannot continue its header after a short write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = self.size;
            let filling = self.filling();
            let (taken, later) = rest.split_at(rest.len().min(size - filling.len()));
            filling.extend_from_slice(taken);
            rest = later;
            if filling.len() == size {
                self.send()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
