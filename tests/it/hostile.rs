//! What others do to a run, on purpose or by chance.

mod races;
