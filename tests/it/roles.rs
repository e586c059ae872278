//! Roles, grants and servers that do not take everything: what a backup needs of the server it comes back to.

mod after;
mod finish;
mod gone;
mod lent;
mod managed;
mod missing;
mod older;
mod project;
mod scene;
mod services;
mod workflows;
