//! Listing some pages ahead of whoever works on them.

use crate::store::Store;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::object::Listed;
use crate::store::listing::Listing;
use futures_util::{Stream, StreamExt, stream};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// How many pages are listed before they are needed.
const AHEAD: usize = 4;

/// Lists all objects whose keys begin with `prefix`, page by page, in the order of the store.
pub fn pages(store: &Arc<dyn Store>, prefix: &str) -> impl Stream<Item = Result<Vec<Listed>>> + Send + use<> {
    let (store, prefix) = (Arc::clone(store), prefix.to_owned());
    let (send, receive) = mpsc::channel(AHEAD);
    let listing = tokio::spawn(async move {
        let mut listing = Listing::new(&store.display_url());
        while let Some(next) = listing.next() {
            let page = listing.take(store.page(&prefix, next.token()).await?)?;
            if send.send(page).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    let state = (receive, Some(AbortOnDropHandle::new(listing)));
    stream::unfold(state, |(mut receive, mut listing)| async move {
        if let Some(page) = receive.recv().await {
            return Some((Ok(page), (receive, listing)));
        }
        // That no more pages come does not say that these were all.
        let lost = |e| StoreError::new(Situation::Other, "listing the store ended early").because(e);
        let ended = listing.take()?.await.unwrap_or_else(|e| Err(lost(e)));
        ended.err().map(|error| (Err(error), (receive, listing)))
    })
    .boxed()
}
