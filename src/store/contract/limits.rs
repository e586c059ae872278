//! What a store accepts and promises, as numbers.

/// What a store accepts and promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many parts one upload may have.
    pub max_parts: u32,
    /// The smallest part, in bytes; the last one of an upload may be smaller.
    pub min_part: u64,
    /// The largest part, in bytes.
    pub max_part: u64,
    /// The largest object, in bytes.
    pub max_object: u64,
    /// How many bytes the names and values of an object's metadata may have together.
    pub max_metadata: usize,
    /// Whether `put_new` can never overwrite.
    pub put_is_create_only: bool,
    /// Whether `complete` can never overwrite.
    pub complete_is_create_only: bool,
}

impl Limits {
    /// What both stores accept, and what both promise.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            max_parts: self.max_parts.min(other.max_parts),
            min_part: self.min_part.max(other.min_part),
            max_part: self.max_part.min(other.max_part),
            max_object: self.max_object.min(other.max_object),
            max_metadata: self.max_metadata.min(other.max_metadata),
            put_is_create_only: self.put_is_create_only && other.put_is_create_only,
            complete_is_create_only: self.complete_is_create_only && other.complete_is_create_only,
        }
    }
}
