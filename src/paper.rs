//! A key on paper: a sheet to print and lock away, with all that is needed to restore without pgstow.
//!
//! One HTML file that loads nothing from elsewhere, and fits one page of A4 and of Letter.

use crate::error::{Error, Result};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write;
use std::time::SystemTime;

const PAGE: &str = include_str!("paper.html");

/// What restores a backup without pgstow, once `dump.zst.age` is here.
const COMMANDS: [&str; 3] = [
    "age -d -i key.txt -o app.dump.zst dump.zst.age",
    "zstd -d app.dump.zst",
    "pg_restore --create --dbname postgres app.dump",
];

/// Modules around a code that must stay white.
const QUIET: usize = 4;
/// Characters of a key that are read at a time.
const GROUP: usize = 6;

/// The sheet for an identity, as its file has it, and its recipient.
pub fn sheet(file: &str, recipient: &str, version: &str) -> Result<String> {
    let is_secret = |line: &&str| line.starts_with("AGE-SECRET-KEY-");
    let identity =
        file.lines().find(is_secret).ok_or_else(|| Error::unexpected("the key has no identity"))?;
    let day: String =
        humantime::format_rfc3339_seconds(SystemTime::now()).to_string().chars().take(10).collect();
    Ok(PAGE
        .replace("{qr}", &code(identity)?)
        .replace("{identity}", &grouped(identity))
        .replace("{recipient}", &grouped(recipient))
        .replace("{commands}", &COMMANDS.join("\n"))
        .replace("{version}", version)
        .replace("{day}", &day))
}

/// A text as a QR code that can lose almost a third of it.
fn code(text: &str) -> Result<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::H)
        .map_err(|e| Error::unexpected("the key does not fit into a QR code").because(e.to_string()))?;
    let (width, mut path) = (code.width(), String::new());
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
        }
    }
    let size = width + 2 * QUIET;
    Ok(format!(
        "<svg viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\" role=\"img\" aria-label=\"QR code of the identity\">\
         <path d=\"{path}\"/></svg>"
    ))
}

/// A key in groups for the eye; copied from a browser, it has no spaces.
fn grouped(key: &str) -> String {
    let begin = key.rfind('1').map_or(0, |at| at + 1);
    let (kind, rest) = key.split_at(begin);
    let characters: Vec<char> = rest.chars().collect();
    let groups = characters.chunks(GROUP).map(|group| group.iter().collect::<String>());
    std::iter::once(kind.to_owned()).chain(groups).map(|group| format!("<span>{group}</span>")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_holds_the_key_and_loads_nothing() {
        let identity = format!("AGE-SECRET-KEY-1{}", "QPZRY9X8GF".repeat(6));
        let page = sheet(&format!("# public key: x\n{identity}\n"), "age1qpzry9x8gf2tvdw0", "1.2.3").unwrap();
        let text: String = page.replace("<span>", "").replace("</span>", "");
        assert!(text.contains(&identity) && text.contains("age1qpzry9x8gf2tvdw0"), "{page}");
        for command in COMMANDS {
            assert!(page.contains(command), "{page}");
        }
        for outside in ["http://", "https://", "src=", "url(", "<script", "<link", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        let left = ["{qr}", "{identity}", "{recipient}", "{commands}", "{version}", "{day}"];
        assert!(!left.iter().any(|place| page.contains(place)), "{page}");
    }
}
