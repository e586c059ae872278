//! SQL as `pg_dump` writes it: its words, its names, its encoding, the roles it names, and the kinds of entries it is made of.
//!
//! The ground that [`archive`](crate::archive) and [`script`](crate::script) share: both hold the same entries,
//! one as a table of contents, the other as comments. Nothing here knows SQL's grammar: statements are read only
//! as far as `pg_dump` always writes them alike.

mod encoding;
mod guard;
mod kind;
mod notes;
mod roles;
mod words;

pub use encoding::{decoded, decoded_of_server, known_encoding};
pub use guard::Guard;
pub use kind::EntryKind;
pub use notes::without_notes;
pub use roles::named_roles;
pub use words::{Token, Word, quoted, replaced, statements, string, words};
