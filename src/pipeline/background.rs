//! Work on bytes that pass, on a thread of its own.

use super::tally::{Digest, Tally};
use super::threads::blocking;
use super::watch::SecondLook;
use crate::error::Result;
use bytes::Bytes;
use std::future::Future;
use tokio::sync::mpsc;

/// Shows bytes to a thread that works on them; does nothing if there is no work.
pub struct Background(Option<mpsc::Sender<Bytes>>);

impl Background {
    /// Computes a tally; it is ready when this is dropped.
    pub fn tally() -> (Self, impl Future<Output = Result<Tally>>) {
        Self::begin(|mut bytes| {
            let mut digest = Digest::default();
            while let Some(bytes) = bytes.blocking_recv() {
                digest.look(&bytes);
            }
            Ok(digest.finish())
        })
    }

    /// Computes a tally if that is wanted.
    pub fn tally_if(wanted: bool) -> (Self, impl Future<Output = Result<Option<Tally>>>) {
        Self::perhaps(wanted.then(Self::tally))
    }

    /// Looks at bytes once more, if somebody wants to; done when this is dropped, or when the look has failed.
    pub fn look(look: Option<SecondLook>) -> (Self, impl Future<Output = Result<Option<()>>>) {
        Self::perhaps(look.map(|mut look| {
            Self::begin(move |mut bytes| {
                while let Some(bytes) = bytes.blocking_recv() {
                    look(&bytes)?;
                }
                Ok(())
            })
        }))
    }

    fn begin<T: Send + 'static>(
        work: impl FnOnce(mpsc::Receiver<Bytes>) -> Result<T> + Send + 'static,
    ) -> (Self, impl Future<Output = Result<T>>) {
        let (to_thread, bytes) = mpsc::channel(1);
        (Self(Some(to_thread)), blocking(move || work(bytes)))
    }

    fn perhaps<T>(
        begun: Option<(Self, impl Future<Output = Result<T>>)>,
    ) -> (Self, impl Future<Output = Result<Option<T>>>) {
        let (background, done) = begun.unzip();
        let done = async move {
            match done {
                Some(done) => done.await.map(Some),
                None => Ok(None),
            }
        };
        (background.unwrap_or(Self(None)), done)
    }

    /// Shows it the next bytes; returns `false` if it has ended, and the future has the reason.
    pub async fn show(&self, bytes: Bytes) -> bool {
        match &self.0 {
            Some(to_thread) => to_thread.send(bytes).await.is_ok(),
            None => true,
        }
    }
}
