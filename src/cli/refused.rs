//! What is said of a command line that cannot be understood. It is repeated there, but no password or secret key in it is.

use std::ffi::OsString;

/// The text without the passwords of the connection strings, and the secret keys, that were typed.
pub fn without_passwords(text: &str, args: &[OsString]) -> String {
    args.iter().filter_map(|arg| arg.to_str()).fold(text.to_owned(), |text, arg| {
        passwords(arg).into_iter().fold(text, |text, (before, password)| {
            text.replace(&format!("{before}{password}"), &format!("{before}…"))
        })
    })
}

/// The passwords and secret keys in a word, each after what shows that it is one.
fn passwords(word: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    const KEY: &str = "AGE-SECRET-KEY-";
    if let Some(at) = word.to_ascii_uppercase().find(KEY) {
        found.push(word[at..].split_at(KEY.len()));
    }
    if let Some((_, rest)) = word.split_once("://") {
        // A password may hold what should be escaped in it; the last @ ends it.
        let of_server = rest.rsplit_once('@').map_or("", |(user, _)| user);
        found.extend(of_server.split_once(':').map(|(_, password)| (":", password)));
    }
    for (start, key) in word.match_indices("password=") {
        let value = &word[start + key.len()..];
        let end = match value.chars().next() {
            Some('\'') => value[1..].find('\'').map_or(value.len(), |end| end + 2),
            _ => value.find(['&', ' ']).unwrap_or(value.len()),
        };
        found.push((key, &value[..end]));
    }
    found.retain(|(_, password)| !password.is_empty());
    found
}

/// What to say of a connection string at a place that takes none, if the verb has a flag for it.
pub fn tip(text: &str) -> Option<&'static str> {
    let is_url = text.contains("unexpected argument 'postgres://")
        || text.contains("unexpected argument 'postgresql://");
    (is_url && text.contains("--to <URL>")).then_some("tip: the database to restore into is named with --to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_repeated() {
        for (word, shown) in [
            ("postgres://u:hunter22@h/db", "postgres://u:…@h/db"),
            ("postgres://u:hunt@er/22@h/db", "postgres://u:…@h/db"),
            ("--too=postgres://u:hunter22@h/db", "--too=postgres://u:…@h/db"),
            (
                "postgres://u@h/db?password=hunter22&sslmode=require",
                "postgres://u@h/db?password=…&sslmode=require",
            ),
            ("host=h password=hunter22 user=u", "host=h password=… user=u"),
            ("host=h password='hunter 22'", "host=h password=…"),
            ("postgres://u:@h/db", "postgres://u:@h/db"),
            ("file:///a/b", "file:///a/b"),
            ("AGE-SECRET-KEY-1QQ", "AGE-SECRET-KEY-…"),
            ("--identity=age-secret-key-1qq", "--identity=age-secret-key-…"),
        ] {
            let text = format!("error: unexpected argument '{word}' found");
            assert_eq!(without_passwords(&text, &[word.into()]), text.replace(word, shown));
        }
    }
}
