//! What a thief would try: see [`Attempt`].

use super::access::Access;
use super::bucket::Bucket;
use crate::store::contract::attempt::Attempt;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::multipart::protocol::about;
use crate::store::multipart::sum::Sum;
use bytes::Bytes;
use google_cloud_storage::model::object::retention::Mode;
use google_cloud_storage::model::{Object, UpdateObjectRequest};
use std::time::SystemTime;

impl Bucket {
    /// Tries it on this object.
    pub(super) async fn attempt(&self, attempt: Attempt, full: &str) -> Result<()> {
        let done = match attempt {
            Attempt::Overwrite(bytes) => self.overwrite(full, bytes).await,
            Attempt::ReadVersion => self.read_version(full).await,
            Attempt::DeleteVersion => self.delete_version(full).await,
            Attempt::ShortenLock => self.end_lock(full).await,
        };
        done.map_err(|error| about(error, full))
    }

    async fn overwrite(&self, full: &str, bytes: Bytes) -> Result<()> {
        let (length, sum) = (bytes.len() as u64, Sum::Crc32c.of(&bytes) as u32);
        let put = |access: Access, _, _| {
            let request = access.storage.write_object(self.name(), full, bytes.clone());
            let request = request.with_known_crc32c(sum).with_resumable_upload_threshold(usize::MAX);
            async move { request.send_unbuffered().await.map_err(|error| self.speaker.google(&error)) }
        };
        self.ask(length, put).await.map(drop)
    }

    async fn read_version(&self, full: &str) -> Result<()> {
        let generation = self.some_generation(full).await?;
        let get = |access: Access, _, _| {
            let request = access.storage.read_object(self.name(), full).set_generation(generation);
            async move { request.send().await.map_err(|error| self.speaker.google(&error)) }
        };
        self.ask(0, get).await.map(drop)
    }

    async fn delete_version(&self, full: &str) -> Result<()> {
        let generation = self.some_generation(full).await?;
        let delete = |access: Access, _, _| {
            let request = access.control.delete_object().set_bucket(self.name()).set_object(full);
            let request = request.set_generation(generation);
            async move { request.send().await.map_err(|error| self.speaker.google(&error)) }
        };
        self.ask(0, delete).await
    }

    /// A generation of the object that is not the live one, from a list; from looking at it, the live one.
    async fn some_generation(&self, full: &str) -> Result<i64> {
        let list = |access: Access, _, _| {
            let request = access.control.list_objects().set_parent(self.name());
            let request = request.set_prefix(full).set_versions(true);
            async move { request.send().await.map_err(|error| self.speaker.google(&error)) }
        };
        match self.ask(0, list).await.map_err(|error| self.speaker.of_bucket(error)) {
            Ok(page) => {
                let is_old = |object: &&Object| object.name == full && object.delete_time.is_some();
                let old = page.objects.iter().find(is_old).map(|object| object.generation);
                old.ok_or_else(|| StoreError::new(Situation::Unsupported, "there is no old version of it"))
            }
            Err(error) if error.situation() == Situation::Denied => Ok(self.object(full).await?.generation),
            Err(error) => Err(error),
        }
    }

    /// Ends what keeps the object from being deleted, or a hold that was put on it to try that.
    async fn end_lock(&self, full: &str) -> Result<()> {
        let object = match self.object(full).await {
            // Who may not look at it may still be allowed to change it.
            Err(error) if error.situation() == Situation::Denied => Object::new(),
            object => object?,
        };
        if let Some(retention) = &object.retention {
            let ended = self.change(full, "retention", |object| object).await;
            return ended.map_err(|error| match (error.situation(), &retention.mode) {
                // However Google says it, that is why.
                (Situation::Other, Mode::Locked) => {
                    StoreError::new(Situation::Locked, "its retention is locked").because(error)
                }
                _ => error,
            });
        }
        if object.event_based_hold == Some(true) {
            return self.change(full, "event_based_hold", |object| object.set_event_based_hold(false)).await;
        }
        let until = object.retention_expire_time.and_then(|time| SystemTime::try_from(time).ok());
        if until.is_some_and(|until| until > SystemTime::now()) {
            return Err(StoreError::new(Situation::Locked, "the bucket's retention policy keeps it"));
        }
        self.change(full, "temporary_hold", |object| object.set_temporary_hold(true)).await?;
        self.change(full, "temporary_hold", |object| object.set_temporary_hold(false)).await
    }

    /// Changes one field of what is stored about an object.
    async fn change(&self, full: &str, field: &str, change: impl Fn(Object) -> Object) -> Result<()> {
        let update = |access: Access, _, _| {
            let object = change(Object::new().set_bucket(self.name()).set_name(full));
            let mut request = UpdateObjectRequest::new().set_object(object);
            request.override_unlocked_retention = field == "retention";
            request.update_mask.get_or_insert_default().paths.push(field.to_owned());
            let request = access.control.update_object().with_request(request);
            async move { request.send().await.map_err(|error| self.speaker.google(&error)) }
        };
        self.ask(0, update).await.map(drop)
    }
}
