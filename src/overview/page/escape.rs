//! Text from outside in a page: names of databases and tables, labels, what a manifest says.

use crate::text::one_line;
use std::fmt::{self, Write};

/// Text that a page shows and never interprets: what has a meaning in HTML is escaped, and what a screen would act on
/// is shown as its escape.
pub(super) struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in one_line(&self.0.to_string()).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_interpreted() {
        let hostile = "</style><script>alert('x')</script>\" onload=\"y\u{202e}\u{1b}&";
        let shown = Escaped(hostile).to_string();
        assert!(!shown.contains(['<', '>', '"', '\'', '\u{202e}', '\u{1b}']), "{shown}");
        assert!(shown.starts_with("&lt;/style&gt;&lt;script&gt;") && shown.ends_with("&amp;"), "{shown}");
    }
}
