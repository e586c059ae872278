//! The secrets in what somebody typed: they are not repeated, not shown, and hidden by a runner.

use crate::postgres::ConnInfo;

/// The beginning of a key that decrypts backups.
const KEY: &str = "AGE-SECRET-KEY-";
/// The parameters of a connection that are secret; `sslpassword` ends like the first.
const PARAMETERS: [&str; 4] = ["password", "oauth_client_secret", "scram_client_key", "scram_server_key"];

/// The secrets in a text, each with what stands before it and shows that it is one.
pub(super) fn secrets(text: &str) -> Vec<(&str, &str)> {
    let key = text.to_ascii_uppercase().find(KEY).map(|at| text[at..].split_at(KEY.len()));
    let mut found: Vec<(&str, &str)> = key.into_iter().chain(password_of_url(text)).collect();
    for parameter in PARAMETERS {
        for (start, _) in text.match_indices(parameter) {
            let value = text[start + parameter.len()..].trim_start_matches(is_blank).strip_prefix('=');
            let Some(value) = value.map(|value| value.trim_start_matches(is_blank)) else { continue };
            let end = if text[..start].contains("://") { value.find('&') } else { end_of_value(value) };
            found.push((&text[start..text.len() - value.len()], &value[..end.unwrap_or(value.len())]));
        }
    }
    found.retain(|(_, secret)| !secret.is_empty());
    found
}

/// What stands between `user:` and `@`.
fn password_of_url(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("://")?;
    // In what libpq would not understand, a password may have what should have been escaped: the last @ ends it.
    let end = match ConnInfo::parse(text, |_| None) {
        Ok(_) => rest.split('/').next()?.find('@')?,
        Err(_) => rest.rfind('@')?,
    };
    rest[..end].split_once(':').map(|(_, password)| (":", password))
}

/// Where the value of a keyword ends, by libpq's rules: a backslash takes the next character as it is.
fn end_of_value(value: &str) -> Option<usize> {
    let is_quoted = value.starts_with('\'');
    let mut is_escaped = false;
    let ends = |(_, c): &(usize, char)| {
        let ends = !is_escaped && if is_quoted { *c == '\'' } else { is_blank(*c) };
        is_escaped = !is_escaped && *c == '\\';
        ends
    };
    let (at, c) = value.char_indices().skip(usize::from(is_quoted)).find(ends)?;
    Some(if is_quoted { at + c.len_utf8() } else { at })
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

/// A text without the secrets that a word has.
pub(super) fn without_secrets(text: &str, word: &str, hidden: &str) -> String {
    secrets(word).into_iter().fold(text.to_owned(), |text, (before, secret)| {
        text.replace(&format!("{before}{secret}"), &format!("{before}{hidden}"))
    })
}

/// What is said of words that cannot be understood, without the secrets in what was given: typed, by a variable, or in the
/// settings file.
pub(super) fn without_given(text: &str, given: &[String]) -> String {
    without_paths(&without_keys(&hidden(text, given)))
}

/// A text without what is secret in these words.
pub(super) fn hidden(text: &str, given: &[String]) -> String {
    // The longest first: one may begin like another.
    let mut given: Vec<&String> = given.iter().collect();
    given.sort_by_key(|word| std::cmp::Reverse(secrets(word).iter().map(|(_, secret)| secret.len()).max()));
    given.into_iter().fold(text.to_owned(), |text, word| without_secrets(&text, word, "…"))
}

/// A text without keys that decrypt backups: a list of values is not repeated as a whole.
fn without_keys(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.to_ascii_uppercase().find(KEY) {
        let (before, key) = rest.split_at(at + KEY.len());
        let secret = key.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        shown.push_str(before);
        shown.push_str(if secret.len() < key.len() { "…" } else { "" });
        rest = secret;
    }
    shown + rest
}

/// A text in which addresses end with their host: that of a webhook is a secret as a whole. What is secret in a connection
/// is known, and in a path nothing is.
fn without_paths(text: &str) -> String {
    let mut parts = text.split("://");
    let mut before = parts.next().unwrap_or_default();
    let mut shown = before.to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        // A quote may belong to the address.
        let end = part[..end].rfind(['\'', '"']).unwrap_or(end);
        let is_shown = ["postgres", "postgresql", "file"].iter().any(|scheme| before.ends_with(scheme));
        let path = part[..end].find(['/', '?', '#']).filter(|at| !is_shown && at + 1 < end);
        shown.push_str("://");
        match path {
            Some(at) => shown.extend([&part[..at], "/…", &part[end..]]),
            None => shown.push_str(part),
        }
        before = part;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_repeated() {
        for (word, shown) in [
            ("postgres://u:hunter22@h/db", "postgres://u:…@h/db"),
            ("postgres://u:hunt@er/22@h/db", "postgres://u:…@h/db"),
            ("postgres://u:hunt/er22@h/db", "postgres://u:…@h/db"),
            ("postgres://u:hunter22@h/db?application_name=a@b", "postgres://u:…@h/db?application_name=a@b"),
            ("postgres://h:5432/db?application_name=a@b", "postgres://h:5432/db?application_name=a@b"),
            ("--too=postgres://u:hunter22@h/db", "--too=postgres://u:…@h/db"),
            ("http://u:hunter22@g:9091/", "http://u:…@g:9091/"),
            (
                "postgres://u@h/db?password=hunter22&sslmode=require",
                "postgres://u@h/db?password=…&sslmode=require",
            ),
            ("postgres://h/db?sslpassword=hunter22", "postgres://h/db?sslpassword=…"),
            ("host=h password=hunter22 user=u", "host=h password=… user=u"),
            ("host=h password = hunter22 user=u", "host=h password = … user=u"),
            ("host=h password\t=\n'hunter 22' user=u", "host=h password\t=\n… user=u"),
            ("host=h password='hunter 22'", "host=h password=…"),
            (r"host=h password='hunter\' 22' user=u", "host=h password=… user=u"),
            (r"host=h password=hunter\ 22\\ user=u", "host=h password=… user=u"),
            ("host=h password=hunt&er22", "host=h password=…"),
            ("host=h password='hunter 22", "host=h password=…"),
            ("host=h oauth_client_secret=hunter22", "host=h oauth_client_secret=…"),
            ("postgres://u:@h/db", "postgres://u:@h/db"),
            ("host=h password= user=u", "host=h password= …"),
            ("postgres://u@host/db", "postgres://u@host/db"),
            ("host=h passfile=/p", "host=h passfile=/p"),
            ("--password-command=vault read", "--password-command=vault read"),
            ("file:///a/b", "file:///a/b"),
            ("age1xyz", "age1xyz"),
            ("https://hooks.slack.com/services/T0/S3CRET", "https://hooks.slack.com/…"),
            ("https://hooks.slack.com/it's/S3CRET", "https://hooks.slack.com/…"),
            ("https://hc.local?S3CRET", "https://hc.local/…"),
            ("https://hc.local/", "https://hc.local/"),
            ("age1xyz,AGE-SECRET-KEY-1QQ", "age1xyz,AGE-SECRET-KEY-…"),
            ("AGE-SECRET-KEY-1QQ", "AGE-SECRET-KEY-…"),
            ("--identity=age-secret-key-1qq", "--identity=age-secret-key-…"),
        ] {
            let text = format!("error: unexpected argument '{word}' found");
            assert_eq!(without_given(&text, &[word.to_owned()]), text.replace(word, shown));
        }
        // One of several in a variable.
        for (value, shown) in
            [("AGE-SECRET-KEY-1QQ", "AGE-SECRET-KEY-…"), ("https://h/S3CRET", "https://h/…")]
        {
            let text = |value: &str| format!("invalid value '{value}' for '--notify <WHEN>': no");
            assert_eq!(without_given(&text(value), &[format!("a,{value},b")]), text(shown));
        }
    }
}
