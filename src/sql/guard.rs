//! What psql's restricted mode lets through all the same.
//!
//! There psql refuses its own commands, all but `\unrestrict`; but it reads what comes after that word as after any
//! other, and runs what is in backquotes by a shell (seen in 15.18 and 18.4). So a script with that command is not for
//! psql. Where a command begins is decided by psql, after quotes and the encoding, about which script and server may
//! lie. So nothing is parsed here: what cannot be a command wherever it stands is let through, and nothing else.

use memchr::{memchr, memmem};

/// The command, after its backslash.
const WORD: &[u8] = b"unrestrict";
/// How much is known of what came before, in bytes.
const KNOWN: usize = 64;
/// The longest character of an encoding whose characters may end with a byte that looks like a backslash, in bytes.
const LONGEST: usize = 4;

/// Looks at a script in pieces.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The last bytes that passed.
    passed: Vec<u8>,
}

impl Guard {
    /// What in the next bytes is not for psql, in words, and where in them it ends; `None` if they are.
    pub fn refuses(&mut self, bytes: &[u8]) -> Option<(&'static str, usize)> {
        if let Some(at) = memchr(0, bytes) {
            // psql passes over the rest of its line, and so makes one word of two.
            return Some(("a NUL byte", at));
        }
        let known = self.passed.len();
        let text = [&self.passed[..], bytes].concat();
        let mut found = memmem::find_iter(&text, WORD).filter(|at| at + WORD.len() > known);
        let command = found.find(|at| is_command(text.get(..*at).unwrap_or_default()));
        self.passed = text.get(text.len().saturating_sub(KNOWN)..).unwrap_or_default().to_vec();
        command.map(|at| ("\\unrestrict", at + WORD.len() - known))
    }
}

/// Whether the word that comes after these bytes may be a command.
///
/// Of an even number of backslashes the first one begins the command, which has no name then, and psql ends. Unless that
/// one is the end of a character; then the others are an odd number.
fn is_command(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    let mut in_front = before.iter().rev().skip(backslashes).take(LONGEST - 1);
    match backslashes {
        0 => false,
        _ if backslashes % 2 == 1 || backslashes + WORD.len() + LONGEST >= KNOWN => true,
        _ => in_front.any(|byte| !byte.is_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is refused, in whatever pieces it comes.
    #[track_caller]
    fn refused(script: &[u8]) -> bool {
        let all = [1, 2, 7, 63, script.len().max(1)].map(|step| {
            let mut guard = Guard::default();
            script.chunks(step).filter_map(|bytes| guard.refuses(bytes)).count() > 0
        });
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}: {}", String::from_utf8_lossy(script));
        all[0]
    }

    #[test]
    fn what_may_be_the_command_is_refused_wherever_it_stands() {
        for script in [
            &b"\\unrestrict `touch x`\n"[..],
            b"\\unrestrict",
            b"SELECT 1 \\unrestrict 'a\n'`touch x`",
            b"SELECT '\\unrestrict';",
            b"COPY t FROM stdin;\na\\\\\\unrestrict\n\\.\n",
            // The second of two bytes, or the fourth of four.
            b"\x83\\\\unrestrict `touch x`",
            b"SELECT 1 AS \x810a\\\\unrestrict `touch x`",
            b"\\unre\0x\nstrict `touch x`",
            b"SELECT 1;\0",
        ] {
            assert!(refused(script), "{}", String::from_utf8_lossy(script));
        }
        let many = [&[b'\\'; 70][..], WORD].concat();
        assert!(refused(&many));
    }

    #[test]
    fn what_cannot_be_it_passes() {
        for script in [
            &b"-- unrestrict\nSELECT 'unrestrict', E'\\n';\n"[..],
            b"COPY t FROM stdin;\na\\\\unrestrict\tb\n\\.\n",
            b"SELECT E'\\\\unrestrict', 'a\\ unrestrict';",
            b"\\\\unrestrict",
            b"\\un restrict \\Unrestrict \\restrict x\n",
            "große\\n Namen".as_bytes(),
        ] {
            assert!(!refused(script), "{}", String::from_utf8_lossy(script));
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(script in "(unrestrict|\\\\|a|é|\n){0,40}") {
            refused(script.as_bytes());
        }
    }
}
