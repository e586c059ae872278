//! A backup that is made: from the first part of its dump to its manifest, in one store or several; and how it is removed.

pub mod compare;
pub mod destinations;
mod previous;
pub mod publication;
pub mod removal;
mod uploads;
pub mod writer;
