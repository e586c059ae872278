//! The bytes' way from a dump to encrypted parts, and back. Bytes only: this room knows no database and no store.
//!
//! [`pack`]: watch → frames → digest or second look, and compress → encrypt → stored tally → parts.
//! [`unpack`]: stored tally → decrypt → decompress → watch → digest or second look → hold back → sink.
//! [`pieces()`]: seek → decrypt → frame tally → decompress → only the wanted bytes.
//! [`reencrypt()`]: stored tally → decrypt → encrypt → stored tally → parts.
//!
//! # Memory
//!
//! Packing needs at most
//!
//! ```text
//! (workers + 1) × frame          plaintext: one frame being filled, the others being compressed
//! (workers + 1) × frame          compressed: usually a third of it or less
//!  workers      × compressor     zstd's own state: about 1 MiB at level 3
//! (channel + uploads) × part     one being filled or in the channel, and those of the uploader
//! ```
//!
//! whatever the size of the dump. With 2 workers, 8 MiB frames and parts, a channel of 1 and 4 uploads:
//! 24 + ~8 + 24 + 40 MiB. The buffers are created once and reused ([`buffers`]). Unpacking holds one frame, zstd's
//! window of one frame, and what is read ahead; so does every reader of pieces, with a compressed frame.
//!
//! # Threads
//!
//! Reading from the source and writing into the sink happen in the caller's task: they wait much and compute little.
//! Work that keeps a processor busy (digests, zstd, age) runs on blocking threads connected by short channels, so a
//! busy stage never delays reading from the database or the network. Dropping the future closes the channels, which
//! ends the threads.

mod background;
mod buffers;
mod compress;
mod decode;
mod encrypt;
mod failures;
mod frames;
mod hold_back;
pub mod keys;
mod opener;
mod pack;
mod parts;
mod pieces;
mod reencrypt;
mod small;
mod stored;
mod tally;
#[cfg(test)]
mod tests;
mod threads;
mod unpack;
mod watch;
mod window;

pub use background::Background;
pub use frames::FRAME;
pub use hold_back::HELD_BACK;
pub use opener::opener;
pub use pack::{Pack, Packed, pack};
pub use pieces::pieces;
pub use reencrypt::{Reencrypt, Reencrypted, reencrypt};
pub use small::{open, seal};
pub use stored::Key;
pub use tally::Tally;
pub use unpack::{Unpack, Unpacked, pass_on, unpack};
pub use watch::{Counter, SecondLook, Watch};
pub use window::{Fetch, LONGEST_HEADER};
