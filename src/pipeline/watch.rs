//! Watches, which look at the plaintext that passes: in the caller's task, and once more on a thread of their own.

use crate::error::Result;
use crate::layout::Cut;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Looks at plaintext that passes.
pub trait Watch: Send {
    /// Looks at the next bytes; they come in order and without gaps. A failure ends the run.
    fn look(&mut self, bytes: &[u8]) -> Result<()>;

    /// The newest good place to cut the plaintext into frames, for example the end of a row.
    fn boundary(&self) -> Option<Cut> {
        None
    }

    /// Notes that it was cut there. What comes after a seam is that much later in the plaintext.
    fn cut(&mut self) {}

    /// A second look at the same bytes, on a thread of its own, for work that would delay the others.
    ///
    /// It sees every byte some time after [`Watch::look`], and has seen all of them when the run is done.
    fn second_look(&self) -> Option<SecondLook> {
        None
    }
}

/// Looks at plaintext again; see [`Watch::second_look`].
pub type SecondLook = Box<dyn FnMut(&[u8]) -> Result<()> + Send>;

/// Looks at nothing.
impl Watch for () {
    fn look(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// A number of bytes that a stage increases and others read.
pub type Counter = Arc<AtomicU64>;
