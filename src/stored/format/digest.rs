//! A SHA-256 as the stored documents write it: 64 hexadecimal digits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A SHA-256. A document that has another text in its place is refused when it is read.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut bytes = [0; 32];
        let read = hex::decode_to_slice(&text, &mut bytes);
        read.map(|()| Self(bytes)).map_err(|e| format!("{text:?} is not a SHA-256: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_digits_are_one() {
        let text = format!("\"{}\"", "0f".repeat(32));
        let digest: Digest = serde_json::from_str(&text).unwrap();
        assert_eq!((digest.0, serde_json::to_string(&digest).unwrap()), ([15; 32], text));
        for wrong in ["\"\"", "7", "null"].map(String::from).into_iter().chain([
            format!("\"{}\"", "0f".repeat(31)),
            format!("\"{}\"", "0g".repeat(32)),
            format!("\"{}\"", "0f".repeat(33)),
        ]) {
            assert!(serde_json::from_str::<Digest>(&wrong).is_err(), "{wrong}");
        }
    }
}
