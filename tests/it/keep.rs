//! Old backups go by rule, nothing else does, and it is noticed if backups stop.

mod after;
mod foreign;
mod kills;
mod leftovers;
mod many;
mod never;
mod oracle;
mod rules;
pub(crate) mod scene;
mod status;
