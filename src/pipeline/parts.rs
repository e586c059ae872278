//! Cuts what is written into it into equal parts, and sends them to the uploader.

use super::buffers::{Buffer, Pool};
use super::threads::dropped;
use crate::error::Error;
use bytes::Bytes;
use std::io::{self, Write};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio_util::sync::CancellationToken;

/// The end of the pipe: sends parts. It must be finished, and runs on a blocking thread.
///
/// A slot in the channel is reserved before a part is begun, so the part being filled counts as one in the channel.
pub struct Parts {
    size: usize,
    pool: Pool,
    filling: Option<(Buffer, OwnedPermit<Bytes>)>,
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
        if self.filling.is_none() && self.sent == 0 {
            self.filling = Some(self.begin()?);
        }
        self.send();
        Ok(())
    }

    /// Waits for a slot in the channel.
    fn begin(&self) -> io::Result<(Buffer, OwnedPermit<Bytes>)> {
        Handle::current().block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => Err(dropped().into_io()),
                room = self.sender.clone().reserve_owned() => match room {
                    Ok(room) => Ok((self.pool.take().await, room)),
                    Err(_) => Err(Error::unexpected("the receiver of the parts is gone").into_io()),
                },
            }
        })
    }

    fn send(&mut self) {
        if let Some((part, room)) = self.filling.take() {
            room.send(part.freeze());
            self.sent += 1;
        }
    }
}

impl Write for Parts {
    /// Always takes all of `bytes`: age cannot continue its header after a short write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (mut part, room) = match self.filling.take() {
                Some(filling) => filling,
                None => self.begin()?,
            };
            let (now, later) = rest.split_at(rest.len().min(self.size - part.len()));
            part.extend_from_slice(now);
            rest = later;
            let full = part.len() == self.size;
            self.filling = Some((part, room));
            if full {
                self.send();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
