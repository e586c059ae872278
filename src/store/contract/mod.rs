//! What every store speaks of, whatever it is: objects, limits, a bucket's rules, and what can go wrong.

pub mod attempt;
pub mod clock;
pub mod error;
pub mod limits;
pub mod object;
pub mod rules;
