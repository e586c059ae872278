//! From a URL to a store: the backend for its scheme, wrapped in retries.

use super::Store;
use super::error::Result;
use super::fs::Folder;
use super::options::OpenOptions;
use super::retrying::Retrying;
use super::s3::S3;
use super::url::StoreUrl;
use std::sync::Arc;

/// Opens the store at `url`; no request is made yet.
pub async fn open(url: &StoreUrl, options: OpenOptions) -> Result<Arc<dyn Store>> {
    let (retry, patience) = (options.retry, options.request_timeout);
    let backend: Arc<dyn Store> = match url {
        StoreUrl::File(folder) => Arc::new(Folder::new(folder.clone())),
        StoreUrl::S3(url) => Arc::new(S3::open(url, options).await?),
    };
    Ok(Arc::new(Retrying::new(backend, retry, patience)))
}
