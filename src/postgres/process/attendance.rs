//! Whether it still makes sense to wait for a child: somebody else may know that nothing will come of it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use crate::error::Error;

/// Begins to watch over a child with this name; ends when waiting makes no sense any more, and says why.
pub type Watcher = Arc<dyn Fn(&str) -> BoxFuture<'static, Error> + Send + Sync>;

/// Watches over one child while it is waited for.
pub struct Attendance {
    watcher: Option<Watcher>,
    name: String,
    watching: Option<BoxFuture<'static, Error>>,
}

impl Attendance {
    /// Nothing is watched yet; without a watcher nothing ever is.
    pub fn new(watcher: Option<Watcher>, name: &str) -> Self {
        Self { watcher, name: name.to_owned(), watching: None }
    }

    /// Begins again: the child has moved.
    pub fn moved(&mut self) {
        self.watching = None;
    }

    /// Watches while the child does not move; ready when it is to be given up.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(watcher) = &self.watcher else { return Poll::Pending };
        self.watching.get_or_insert_with(|| watcher(&self.name)).as_mut().poll(cx)
    }

    /// Ends when the child is to be given up.
    pub async fn given_up(&mut self) -> Error {
        poll_fn(|cx| self.poll(cx)).await
    }
}
