//! Starts to read a database, and says at the end whether its rows fit their definitions.
//!
//! It starts anew only as long as nothing is stored. That definitions are whole is not looked at here.

use crate::consistent::Dumping;
use crate::error::{Error, Result};
use crate::parallel::{self, Dump, Sessions};
use crate::postgres::{Kept, Psql, Server};
use crate::run::Run;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;

/// How often reading is begun.
const ATTEMPTS: u32 = 3;

/// A database that is being read.
pub struct Reading {
    /// What no lock keeps, as it was before that.
    kept: Kept,
    /// Notified when the last byte was read.
    ended: Arc<Notify>,
}

/// A dump that says when it ends.
struct Telling {
    dump: Dump,
    ended: Arc<Notify>,
}

impl AsyncRead for Telling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.dump).poll_read(context, buffer));
        if buffer.filled().len() == before && buffer.remaining() > 0 {
            self.ended.notify_one();
        }
        Poll::Ready(read)
    }
}

impl Reading {
    /// Starts `pg_dump`, anew if a type was changed before it had read all definitions. If a session `may_hold` something,
    /// because no pooler is in between, one holds locks.
    ///
    /// # Errors
    /// Those of [`parallel::start`].
    pub async fn start(
        dumping: Dumping<'_>,
        server: &Server,
        sessions: Sessions,
        may_hold: bool,
        run: &Run,
    ) -> Result<(Self, Dump)> {
        for attempt in 1.. {
            let (dump, kept) = parallel::start(dumping, server, sessions, may_hold, run).await?;
            // Those who read may need all the sessions that there are.
            if dumping.left.is_some() || attempt == ATTEMPTS {
                return Ok(Self::of(kept, dump));
            }
            match kept.changed_type(dumping.psql).await {
                Ok(Some(what)) => {
                    tracing::info!("pg_dump begins again: {what} while definitions were read");
                }
                _ => return Ok(Self::of(kept, dump)),
            }
        }
        Err(Error::unexpected("pg_dump was begun too often"))
    }

    fn of(kept: Kept, dump: Dump) -> (Self, Dump) {
        let ended = Arc::new(Notify::new());
        let dump = Box::new(Telling { dump, ended: Arc::clone(&ended) });
        (Self { kept, ended }, dump)
    }

    /// Checks as soon as all was read, and never ends: what was read may be on its way into the store for long, and nobody is to
    /// wait for a lock until then.
    pub async fn check_early(&self, psql: &Psql) -> Infallible {
        self.ended.notified().await;
        // Whoever needs the answer asks again.
        let _ = self.check(psql).await;
        pending().await
    }

    /// Asks whether the rows of the tables, which were read, are theirs and fit their definitions.
    ///
    /// # Errors
    /// Those of [`Kept::fit`].
    pub async fn check(&self, psql: &Psql) -> Result<()> {
        self.kept.fit(psql).await
    }
}
