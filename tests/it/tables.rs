//! Chosen tables of a backup: fetched, restored, printed; of the whole no more than they need.

mod bytes;
mod chosen;
mod committed;
mod created;
mod into;
mod printed;
mod restored;
mod scene;
mod triggers;
