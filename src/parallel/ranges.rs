//! Ranges that several sessions read, in their order.
//!
//! Each session takes the first range that nobody has taken. So the range that is to be written next is always being
//! read; a session that is ahead holds a bounded number of bytes, and waits.
//!
//! In memory are at most as many ranges as there are sessions, and one, each with [`AHEAD`] pieces.

use crate::error::{Error, Result};
use crate::postgres::{Rows, RowsReader};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// The most pieces of rows that a session is ahead; a piece has at most 256 KiB, or a little more.
const AHEAD: usize = 64;

/// A range to be read, and where its rows go.
struct Order {
    copy: Vec<u8>,
    rows: mpsc::Sender<Result<Rows>>,
}

/// Sessions that read; dropping it ends them.
pub struct Ranges {
    /// In the order of the statements.
    ready: VecDeque<mpsc::Receiver<Result<Rows>>>,
    /// How many more ranges may be begun.
    room: Arc<Semaphore>,
    sessions: JoinSet<Result<()>>,
}

impl Ranges {
    /// Has these sessions run the statements.
    pub fn start(readers: Vec<RowsReader>, statements: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let (mut orders, mut ready) = (VecDeque::new(), VecDeque::new());
        for copy in statements {
            let (rows, receiver) = mpsc::channel(AHEAD);
            orders.push_back(Order { copy, rows });
            ready.push_back(receiver);
        }
        let orders = Arc::new(Mutex::new(orders));
        let room = Arc::new(Semaphore::new(readers.len() + 1));
        let mut sessions = JoinSet::new();
        for reader in readers {
            sessions.spawn(read(reader, Arc::clone(&orders), Arc::clone(&room)));
        }
        Self { ready, room, sessions }
    }

    /// The rows of the next range; `None` if there is none.
    pub fn next(&mut self) -> Option<mpsc::Receiver<Result<Rows>>> {
        self.ready.pop_front()
    }

    /// Notes that a range was written, so that another can be begun.
    pub fn written(&self) {
        self.room.add_permits(1);
    }

    /// Waits until all sessions have ended in order.
    pub async fn finish(mut self) -> Result<()> {
        while let Some(ended) = self.sessions.join_next().await {
            ended.map_err(|error| Error::unexpected(format!("a session's task failed: {error}")))??;
        }
        Ok(())
    }
}

/// Reads ranges until there are no more. A failure goes where the rows would have gone.
async fn read(
    mut reader: RowsReader,
    orders: Arc<Mutex<VecDeque<Order>>>,
    room: Arc<Semaphore>,
) -> Result<()> {
    let next = async || {
        // Never closed. Given back when the range is written.
        room.acquire().await.ok()?.forget();
        orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    };
    while let Some(Order { copy, rows }) = next().await {
        if let Err(error) = reader.copy(&copy, &rows).await {
            let _ = rows.send(Err(error)).await;
            return Ok(());
        }
    }
    reader.finish().await
}
