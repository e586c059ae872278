//! The user's story on every store, and every way to say which database, which backup and whose key.

mod databases;
mod missing;
mod names;
mod one_process;
mod recipients;
mod scene;
mod settings;
mod signatures;
mod source;
mod story;
mod told;
mod typed;
mod words;
