//! From a URL to a store: the backend for its scheme, wrapped in retries.

use super::Store;
use crate::store::contract::error::Result;
use crate::store::fs::Folder;
use crate::store::options::OpenOptions;
use crate::store::retry::retrying::Retrying;
use crate::store::s3::S3;
use crate::store::url::{GsUrl, StoreUrl};
use std::sync::Arc;

/// Opens the store at `url`; no request is made yet.
pub async fn open(url: &StoreUrl, options: OpenOptions) -> Result<Arc<dyn Store>> {
    let (retry, patience, rates) = (options.retry.clone(), options.request_timeout, options.rates.clone());
    let backend: Arc<dyn Store> = match url {
        StoreUrl::File(folder) => Arc::new(Folder::new(folder.clone(), patience)),
        // On the heap: what the SDKs need to begin is large, and needed no longer.
        StoreUrl::S3(url) => Arc::new(Box::pin(S3::open(url, options)).await?),
        StoreUrl::Gs(url) => Box::pin(google(url, options)).await?,
    };
    Ok(Arc::new(Retrying::new(backend, retry, patience, rates)))
}

#[cfg(feature = "gcs")]
async fn google(url: &GsUrl, options: OpenOptions) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(crate::store::gcs::Gcs::open(url, options).await?))
}

#[cfg(not(feature = "gcs"))]
async fn google(url: &GsUrl, _: OpenOptions) -> Result<Arc<dyn Store>> {
    use crate::store::contract::error::{Situation, StoreError};
    let bucket = &url.bucket;
    let left_out = "this pgstow was built without Google Cloud Storage";
    Err(StoreError::new(Situation::Unsupported, left_out).hint(format!(
        "build it with the feature gcs, which is on by default; or use the bucket's HMAC keys with \
         s3://{bucket}?endpoint=https://storage.googleapis.com"
    )))
}
