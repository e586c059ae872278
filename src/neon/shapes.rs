//! The answers of the API, as far as they are used here; unknown fields are ignored.

use serde::Deserialize;

/// A branch.
#[derive(Debug, Clone, Deserialize)]
pub struct Branch {
    /// `br-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is the default branch, which production uses.
    pub default: bool,
    /// When Neon will delete it automatically, RFC 3339.
    pub expires_at: Option<String>,
}

/// A database of a branch.
#[derive(Debug, Clone, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner_name: String,
}

#[derive(Deserialize)]
pub struct Role {
    pub name: String,
    #[serde(default)]
    pub protected: bool,
}

/// Work that Neon does in the background.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    pub id: String,
    pub action: String,
    pub status: String,
    pub error: Option<String>,
}

#[derive(Deserialize)]
pub struct Project {
    pub id: String,
    pub name: String,
    pub pg_version: u32,
}

#[derive(Deserialize)]
pub struct ProjectOnly {
    pub project: Project,
}

#[derive(Deserialize)]
pub struct Branches {
    pub branches: Vec<Branch>,
}

#[derive(Deserialize)]
pub struct Created {
    pub branch: Branch,
    pub operations: Vec<Operation>,
    pub roles: Vec<Role>,
    pub databases: Vec<Database>,
}

#[derive(Deserialize)]
pub struct Databases {
    pub databases: Vec<Database>,
}

#[derive(Deserialize)]
pub struct OperationsOnly {
    pub operations: Vec<Operation>,
}

#[derive(Deserialize)]
pub struct OperationOnly {
    pub operation: Operation,
}

#[derive(Deserialize)]
pub struct UriOnly {
    pub uri: String,
}

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Refusal {
    pub message: String,
    pub request_id: Option<String>,
}
