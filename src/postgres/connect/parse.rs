//! Reads connection URLs and keyword strings by libpq's rules.
//!
//! It is stricter than libpq where leniency would carry a secret into a place that is shown: an
//! unknown keyword, or a password whose special characters were not percent-encoded, is refused
//! here. No error repeats a value.

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// What may be done with a keyword's value.
pub enum Keyword {
    /// Goes to the child's arguments.
    Plain,
    /// Goes to the child's environment.
    Password,
}

/// libpq's keywords up to PostgreSQL 19 whose values are no secrets.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>
const PLAIN: &[&str] = &[
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Secrets for which libpq reads no environment variable, so only an argument could carry them.
const UNCARRIED: &[&str] = &["oauth_client_secret", "scram_client_key", "scram_server_key", "sslpassword"];

/// Says what a keyword is; fails for those libpq does not know or that cannot travel safely.
pub fn judge(keyword: &str) -> Result<Keyword> {
    if keyword == "password" {
        Ok(Keyword::Password)
    } else if PLAIN.contains(&keyword) {
        Ok(Keyword::Plain)
    } else if UNCARRIED.contains(&keyword) {
        Err(Error::usage(format!(
            "{keyword} in a connection string would have to be passed as an argument, which other users can read"
        ))
        .hint("put the connection into a service file (pg_service.conf) and say PGSERVICE=name"))
    } else if keyword == "pgbouncer" {
        Err(Error::usage("the connection string is one for pgbouncer (pgbouncer=…)")
            .hint("use the server's direct address, and leave pgbouncer=… out"))
    } else if keyword.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && keyword.len() <= 32 {
        Err(Error::usage(format!("libpq has no connection parameter \"{keyword}\""))
            .hint("parameters meant for an application's own driver must be left out here"))
    } else {
        Err(malformed("it holds a parameter name that libpq does not know"))
    }
}

/// Splits what was typed into keywords and values, in order; a later one replaces an earlier one.
pub fn keywords_and_values(text: &str) -> Result<Vec<(String, String)>> {
    let text = text.trim();
    if text.contains('\0') {
        return Err(malformed("it holds a NUL byte"));
    }
    if let Some(rest) = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        url(rest)
    } else if text.split(['=', '\'']).next().is_some_and(|head| head.contains("://")) {
        Err(malformed("its scheme is not postgres:// or postgresql://"))
    } else if text.contains('=') {
        keyword_string(text)
    } else if text.is_empty() {
        Ok(Vec::new())
    } else if text.contains(['@', '/', ':']) {
        Err(malformed("it looks like a URL without postgres:// in front"))
    } else {
        Ok(vec![("dbname".into(), text.into())])
    }
}

fn malformed(why: &str) -> Error {
    Error::usage(format!("the connection string cannot be read: {why}"))
        .hint("write postgres://user:password@host:5432/database, with special characters percent-encoded (@ is %40, / is %2F)")
}

/// `[user[:password]@][host[:port],…][/database][?keyword=value&…]`, after the scheme.
fn url(rest: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut keep = |keyword: &str, value: String| {
        if !value.is_empty() {
            pairs.push((keyword.to_string(), value));
        }
    };

    // The credentials end at the first @ before any slash, whatever else stands between.
    let path_at = rest.find('/').unwrap_or(rest.len());
    let (credentials, rest) = match rest.find('@').filter(|at| *at < path_at) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => ("", rest),
    };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    keep("user", decode(user)?);
    keep("password", decode(password)?);

    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if rest.contains('@') {
        return Err(malformed("there is an @ too many, perhaps inside the password"));
    }
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (hosts, ports) = split_hosts(hosts)?;
    keep("host", decode(&hosts)?);
    keep("port", ports);
    keep("dbname", decode(database)?);

    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) = parameter
            .split_once('=')
            .filter(|(_, value)| !value.contains('='))
            .ok_or_else(|| malformed("a parameter after the ? is not of the form name=value"))?;
        match (decode(keyword)?.as_str(), decode(value)?) {
            // As JDBC's URLs say it; libpq understands it too.
            ("ssl", value) if value == "true" => pairs.push(("sslmode".into(), "require".into())),
            (keyword, value) => pairs.push((keyword.into(), value)),
        }
    }
    Ok(pairs)
}

/// `a:1,[::1]:2` → `("a,::1", "1,2")`; without any port the second is empty.
fn split_hosts(text: &str) -> Result<(String, String)> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for one in text.split(',') {
        let (host, port) = if let Some(inner) = one.strip_prefix('[') {
            let (address, after) = inner
                .split_once(']')
                .ok_or_else(|| malformed("an IPv6 address lacks its closing bracket"))?;
            if address.is_empty() || !(after.is_empty() || after.starts_with(':')) {
                return Err(malformed("an IPv6 address in brackets is not followed by a port or the end"));
            }
            (address, after.strip_prefix(':').unwrap_or_default())
        } else {
            one.split_once(':').unwrap_or((one, ""))
        };
        if !port.is_empty() && port.parse::<u16>().is_err() {
            return Err(malformed("what stands after the host's colon is not a port number"));
        }
        hosts.push(host);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((hosts.join(","), ports))
}

fn decode(text: &str) -> Result<String> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(b"00") => return Err(malformed("%00 is not allowed")),
            Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return Err(malformed("a % is not followed by two hexadecimal digits")),
        }
    }
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| malformed("percent-encoded text is not UTF-8"))?.into_owned())
}

/// `host=localhost dbname = 'my db' …`: values quoted by `'`, with backslash escapes.
fn keyword_string(text: &str) -> Result<Vec<(String, String)>> {
    // libpq's isspace() knows the six ASCII blanks only.
    let blank = |c: &char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c');
    let mut pairs = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(blank).is_some() {}
        if chars.peek().is_none() {
            return Ok(pairs);
        }
        let mut keyword = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !blank(c)) {
            keyword.push(c);
        }
        while chars.next_if(blank).is_some() {}
        if chars.next() != Some('=') || keyword.is_empty() {
            return Err(malformed("a word is not followed by \"=\""));
        }
        while chars.next_if(blank).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\'') if quoted => break,
                Some(c) if !quoted && blank(&c) => break,
                Some('\\') => value.extend(chars.next()),
                Some(c) => value.push(c),
                None if quoted => return Err(malformed("a quoted value does not end")),
                None => break,
            }
        }
        pairs.push((keyword, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn read(text: &str) -> String {
        let pairs = keywords_and_values(text).unwrap();
        pairs.iter().map(|(keyword, value)| format!("{keyword}={value}")).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn urls_mean_what_libpq_says() {
        for (text, expected) in [
            ("postgres://", ""),
            ("postgresql:///app", "dbname=app"),
            ("postgres://h", "host=h"),
            ("postgres://h:5433/app\n", "host=h|port=5433|dbname=app"),
            ("postgres://u@/app", "user=u|dbname=app"),
            ("postgres://u:p%40%2Fx@h/a%20b", "user=u|password=p@/x|host=h|dbname=a b"),
            ("postgres://u:p?q@h/a", "user=u|password=p?q|host=h|dbname=a"),
            ("postgres://u:p:q@h", "user=u|password=p:q|host=h"),
            ("postgres://a:1,b:2/app", "host=a,b|port=1,2|dbname=app"),
            ("postgres://a,b:2", "host=a,b|port=,2"),
            ("postgres://[::1]:5433/app", "host=::1|port=5433|dbname=app"),
            ("postgres://[fe80::1]", "host=fe80::1"),
            ("postgres://%2Fvar%2Frun/app", "host=/var/run|dbname=app"),
            ("postgres:///app?host=/run/pg&port=6000", "dbname=app|host=/run/pg|port=6000"),
            (
                "postgres://h/app?ssl=true&application_name=a+b",
                "host=h|dbname=app|sslmode=require|application_name=a+b",
            ),
            ("postgres://h?options=-c%20geqo%3Doff", "host=h|options=-c geqo=off"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn keyword_strings_mean_what_libpq_says() {
        for (text, expected) in [
            ("host=h dbname=app", "host=h|dbname=app"),
            ("host = h\tport= 5433", "host=h|port=5433"),
            (r"dbname='it\'s' user=a\ b", "dbname=it's|user=a b"),
            (r"user='a\\b' options=''", r"user=a\b|options="),
            ("dbname=postgres://x", "dbname=postgres://x"),
            ("app", "dbname=app"),
            ("", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn malformed_strings_are_usage_errors_that_repeat_no_value() {
        for text in [
            "mysql://u:s3cret@h/db",
            "postgres://u:s3cret@x@h/db",
            "postgres://u:s3cret/x@h/db",
            "postgres://u:12/s3cret@h/db",
            "postgres://u:s3cret%@h/db",
            "postgres://u:s3cret%00@h/db",
            "postgres://u:%ffs3cret@h/db",
            "postgres://[::1s3cret/db",
            "postgres://h/db?s3cret",
            "postgres://h/db?a=s3cret=b",
            "host=h password='s3cret",
            "host=h s3cret",
            "u:s3cret@h/db",
        ] {
            let error = keywords_and_values(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{text}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn secrets_that_cannot_travel_are_refused() {
        assert!(judge("sslpassword").err().unwrap().hints()[0].contains("service file"));
        assert!(judge("schema").err().unwrap().message().contains("\"schema\""));
        assert!(judge("pgbouncer").is_err());
        assert!(matches!(judge("password"), Ok(Keyword::Password)));
        assert!(matches!(judge("sslmode"), Ok(Keyword::Plain)));
    }
}
