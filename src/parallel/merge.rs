//! One archive from the first `pg_dump`'s table of contents, rows that several sessions read, and the second
//! `pg_dump`'s blocks: all in the order of the table of contents, as who reads a pipe needs it.

use super::others::Others;
use super::plan::Plan;
use super::ranges::{Opener, Ranges, Rows};
use crate::archive::{Preamble, TocEntry, chunk_head, rows_begin, rows_end};
use crate::error::{Error, Result};
use crate::postgres::RowsReader;
use bytes::Bytes;
use futures_util::stream;
use std::sync::Arc;
use std::task::{Poll, ready};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::io::StreamReader;

/// Pieces on their way to whoever reads the archive.
const BETWEEN: usize = 4;

/// Everybody who reads, ready to begin.
pub struct Merge {
    /// The archive's header and table of contents.
    pub preamble: Preamble,
    /// Which tables are read in ranges.
    pub plan: Plan,
    /// The sessions that do so.
    pub readers: Vec<RowsReader>,
    /// Opens another instead of one that is lost.
    pub opener: Opener,
    /// Who writes the rest, if there is a rest.
    pub others: Option<Others>,
}

/// Where the archive's bytes go.
type Out = mpsc::Sender<std::io::Result<Bytes>>;

/// Nobody reads the archive any more.
struct Gone;

/// Why the archive does not go on.
enum End {
    Gone,
    Failed(Error),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Merge {
    /// Begins; the archive ends without an error only if everybody has ended in order.
    pub fn stream(self) -> impl AsyncRead + Send + Unpin {
        let (out, mut pieces) = mpsc::channel(BETWEEN);
        // Dropped with the stream, and everybody with it.
        let mut work = JoinSet::new();
        work.spawn(async move {
            if let Err(End::Failed(error)) = self.write(&out).await {
                let _ = out.send(Err(error.into_io())).await;
            }
        });
        StreamReader::new(stream::poll_fn(move |context| {
            let piece = ready!(pieces.poll_recv(context));
            if piece.is_some() {
                return Poll::Ready(piece);
            }
            // Whoever panicked could not send why.
            let ended = ready!(work.poll_join_next(context));
            let failed = ended.and_then(std::result::Result::err);
            Poll::Ready(
                failed.map(|error| Err(Error::unexpected(format!("a task failed: {error}")).into_io())),
            )
        }))
    }

    async fn write(self, out: &Out) -> Result<(), End> {
        let Self { preamble, plan, readers, opener, mut others } = self;
        let entries = || preamble.toc.with_data();
        let tables: Vec<_> = entries().filter_map(|entry| plan.table(entry)).map(Arc::clone).collect();
        let statements =
            tables.into_iter().flat_map(|table| (0..table.ranges()).map(move |number| table.range(number)));
        let mut ranges = Ranges::start(opener, readers, statements);
        send(out, preamble.to_bytes()).await?;
        for entry in entries() {
            match (plan.table(entry), &mut others) {
                (Some(table), _) => write_ranges(out, entry, &mut ranges, table.ranges()).await?,
                (None, Some(others)) => {
                    let mut begun = false;
                    while let Some(bytes) = others.next(entry, begun).await? {
                        begun = true;
                        send(out, bytes).await?;
                    }
                }
                (None, None) => return Err(Error::unexpected("nobody reads a table").into()),
            }
        }
        ranges.finish().await?;
        if let Some(others) = others {
            others.finish().await?;
        }
        Ok(())
    }
}

/// Writes one table's block from this many ranges.
async fn write_ranges(out: &Out, entry: &TocEntry, ranges: &mut Ranges, count: u64) -> Result<(), End> {
    send(out, rows_begin(entry.dump_id())).await?;
    for _ in 0..count {
        let mut rows = ranges.next().await.ok_or_else(|| Error::unexpected("a range is missing"))?;
        loop {
            match rows.recv().await {
                Some(Ok(Rows::Some(rows))) => {
                    send(out, chunk_head(rows.len())).await?;
                    send(out, rows).await?;
                }
                Some(Ok(Rows::End)) => break ranges.written(),
                Some(Err(error)) => return Err(error.context(format!("read {}", entry.label())).into()),
                None => return Err(Error::unexpected("a range of rows has no end").into()),
            }
        }
    }
    Ok(send(out, rows_end()).await?)
}

async fn send(out: &Out, bytes: impl Into<Bytes>) -> Result<(), Gone> {
    out.send(Ok(bytes.into())).await.map_err(|_| Gone)
}
