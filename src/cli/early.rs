//! Words that must be known before the rest is parsed.

use std::ffi::OsString;

/// The value of a flag as it was typed, found without clap: one that decides how the rest is parsed (`--config`,
/// `--profile`), or that comes before a variable.
pub fn early(args: &[OsString], flag: &str) -> Option<String> {
    let mut words = args.iter().skip(1).map_while(|arg| arg.to_str().filter(|arg| *arg != "--"));
    while let Some(word) = words.next() {
        match word.strip_prefix("--").and_then(|word| word.strip_prefix(flag)) {
            Some("") => return words.next().map(str::to_owned),
            Some(rest) if rest.starts_with('=') => return rest.get(1..).map(str::to_owned),
            _ => {}
        }
    }
    None
}
