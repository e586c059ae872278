//! How PostgreSQL's programs fail, and what to do about it.

pub mod advice;
