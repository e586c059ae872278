//! What a refusal of Neon's means for the request.

/// What a refusal of Neon's means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// It is not acceptable as it is, and nothing was done: another request may be accepted.
    Rejected,
}
