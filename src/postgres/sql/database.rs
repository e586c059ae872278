//! What `pg_dump` says of a database itself, read from a stranger's archive and written anew.
//!
//! These statements are run, so they are not taken over: whatever is not one of the few that `pg_dump`
//! writes is refused, and of those only names, numbers and texts are kept.

use super::quote::{identifier, literal};
use super::words::{Word, split};

/// Writes a statement about a database anew; `None` if it is not one that `pg_dump` writes.
///
/// Settings, connection limit, comment, security label, GRANT and REVOKE are known.
pub fn about_database(statement: &str) -> Option<String> {
    let (words, has_commands) = split(statement);
    let words = words.strip_suffix(&[Word::Bare(";".into())]).unwrap_or(&words);
    if has_commands {
        return None;
    }
    let name = |word: &Word| word.name().map(identifier);
    let (keywords, rest) = keywords(words);
    let rewritten = match (keywords.as_slice(), rest) {
        (["ALTER", "DATABASE"], [database, connection, limit, number @ ..])
            if connection.is("CONNECTION") && limit.is("LIMIT") =>
        {
            format!("ALTER DATABASE {} CONNECTION LIMIT {}", name(database)?, number_of(number)?)
        }
        (["ALTER", "DATABASE"], [database, set, setting @ ..]) if set.is("SET") => {
            format!("ALTER DATABASE {} SET {}", name(database)?, setting_of(setting)?)
        }
        (["ALTER", "ROLE"], [role, inside, of_database, database, set, setting @ ..])
            if inside.is("IN") && of_database.is("DATABASE") && set.is("SET") =>
        {
            let (role, database) = (name(role)?, name(database)?);
            format!("ALTER ROLE {role} IN DATABASE {database} SET {}", setting_of(setting)?)
        }
        (["COMMENT", "ON", "DATABASE"], [database, is, Word::Literal(text)]) if is.is("IS") => {
            format!("COMMENT ON DATABASE {} IS {}", name(database)?, literal(text))
        }
        (["SECURITY", "LABEL", "FOR"], [provider, on, of_database, database, is, Word::Literal(text)])
            if on.is("ON") && of_database.is("DATABASE") && is.is("IS") =>
        {
            let (provider, database) = (name(provider)?, name(database)?);
            format!("SECURITY LABEL FOR {provider} ON DATABASE {database} IS {}", literal(text))
        }
        ([verb @ ("GRANT" | "REVOKE"), rights @ .., "ON", "DATABASE"], rest) => granted(verb, rights, rest)?,
        _ => return None,
    };
    Some(format!("{rewritten};"))
}

/// The keywords and commas that a statement begins with, up to its first name.
fn keywords(words: &[Word]) -> (Vec<&str>, &[Word]) {
    let is_keyword = |word: &Word| match word {
        Word::Bare(word) => word == "," || word.bytes().all(|byte| byte.is_ascii_uppercase()),
        _ => false,
    };
    let count = words.iter().take_while(|word| is_keyword(word)).count();
    let (keywords, rest) = words.split_at(count);
    (keywords.iter().filter_map(Word::name).collect(), rest)
}

/// `[=] NUMBER`; minus one is no limit.
fn number_of(words: &[Word]) -> Option<i32> {
    match words.strip_prefix(&[Word::Bare("=".into())]).unwrap_or(words) {
        [Word::Bare(number)] => number.parse().ok(),
        [Word::Bare(minus), Word::Bare(number)] if minus == "-" => format!("-{number}").parse().ok(),
        _ => None,
    }
}

/// `parameter TO value, …`
fn setting_of(words: &[Word]) -> Option<String> {
    let [parameter, to, values @ ..] = words else { return None };
    if !to.is("TO") || values.is_empty() {
        return None;
    }
    let value = |values: &[Word]| match values {
        [Word::Literal(value) | Word::Name(value) | Word::Bare(value)] => Some(literal(value)),
        _ => None,
    };
    let values: Option<Vec<String>> = values.split(|word| word.is(",")).map(value).collect();
    Some(format!("{} TO {}", identifier(parameter.name()?), values?.join(", ")))
}

/// The rest of GRANT and REVOKE on a database.
fn granted(verb: &str, rights: &[&str], rest: &[Word]) -> Option<String> {
    let (option, rights) = match rights {
        ["GRANT", "OPTION", "FOR", rights @ ..] if verb == "REVOKE" => (" GRANT OPTION FOR", rights),
        rights => ("", rights),
    };
    let known = |right: &&str| matches!(*right, "ALL" | "CREATE" | "CONNECT" | "TEMPORARY" | "TEMP" | ",");
    let [database, to, whom, after @ ..] = rest else { return None };
    let whom = if whom.is("PUBLIC") { "PUBLIC".to_owned() } else { identifier(whom.name()?) };
    let (to, with) = match verb {
        "GRANT" if to.is("TO") => ("TO", " WITH GRANT OPTION"),
        "REVOKE" if to.is("FROM") => ("FROM", ""),
        _ => return None,
    };
    let with = match after {
        [] => "",
        [one, two, three] if one.is("WITH") && two.is("GRANT") && three.is("OPTION") => with,
        _ => return None,
    };
    let rights = rights.iter().all(known).then(|| rights.concat().replace(',', ", "))?;
    let database = identifier(database.name()?);
    Some(format!("{verb}{option} {rights} ON DATABASE {database} {to} {whom}{with}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_pg_dump_writes_is_written_anew() {
        for (statement, anew) in [
            ("ALTER DATABASE x CONNECTION LIMIT = 5;", "ALTER DATABASE \"x\" CONNECTION LIMIT 5;"),
            ("ALTER DATABASE x CONNECTION LIMIT -1;", "ALTER DATABASE \"x\" CONNECTION LIMIT -1;"),
            (
                "ALTER DATABASE \"my \"\"new\"\"\" SET search_path TO 'DATABASE', 'a;b';",
                "ALTER DATABASE \"my \"\"new\"\"\" SET \"search_path\" TO 'DATABASE', 'a;b';",
            ),
            (
                "ALTER DATABASE x SET \"my.own\" TO E'a\\\\b';",
                "ALTER DATABASE \"x\" SET \"my.own\" TO U&'a!005Cb' UESCAPE '!';",
            ),
            (
                "ALTER ROLE boss IN DATABASE x SET work_mem TO '16MB';",
                "ALTER ROLE \"boss\" IN DATABASE \"x\" SET \"work_mem\" TO '16MB';",
            ),
            ("COMMENT ON DATABASE x IS 'it''s';", "COMMENT ON DATABASE \"x\" IS 'it''s';"),
            (
                "SECURITY LABEL FOR selinux ON DATABASE x IS 'l';",
                "SECURITY LABEL FOR \"selinux\" ON DATABASE \"x\" IS 'l';",
            ),
            (
                "REVOKE CONNECT,TEMPORARY ON DATABASE x FROM PUBLIC;",
                "REVOKE CONNECT, TEMPORARY ON DATABASE \"x\" FROM PUBLIC;",
            ),
            ("GRANT ALL ON DATABASE x TO \"r 1\";", "GRANT ALL ON DATABASE \"x\" TO \"r 1\";"),
            (
                "GRANT CREATE ON DATABASE x TO r WITH GRANT OPTION;",
                "GRANT CREATE ON DATABASE \"x\" TO \"r\" WITH GRANT OPTION;",
            ),
            (
                "REVOKE GRANT OPTION FOR ALL ON DATABASE x FROM r;",
                "REVOKE GRANT OPTION FOR ALL ON DATABASE \"x\" FROM \"r\";",
            ),
        ] {
            assert_eq!(about_database(statement).as_deref(), Some(anew), "{statement}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for statement in [
            "",
            "ALTER DATABASE x CONNECTION LIMIT = 5\n\\! touch pwned\n;",
            "ALTER DATABASE x CONNECTION LIMIT = five;",
            "ALTER DATABASE x CONNECTION LIMIT = 5; DROP DATABASE app;",
            "ALTER DATABASE x SET a TO 'b' \\! touch pwned",
            "ALTER DATABASE x SET a TO 'b' 'c'",
            "ALTER DATABASE x OWNER TO me;",
            "DROP DATABASE x;",
            "COMMENT ON DATABASE x IS NULL || 'a';",
            "COPY (SELECT 1) TO PROGRAM 'touch pwned';",
            "GRANT ALL ON DATABASE x TO r, s;",
            "GRANT pg_execute_server_program ON DATABASE x TO r;",
            "GRANT ALL ON DATABASE x TO r GRANTED BY me;",
            "GRANT ALL ON TABLE DATABASE TO r;",
            "SELECT 'ALTER DATABASE'",
        ] {
            assert_eq!(about_database(statement), None, "{statement}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_text_no_backslash_and_one_statement_come_out(text in "[a'\"\\\\;\n!$ ]{0,12}") {
            for statement in [
                format!("ALTER DATABASE x CONNECTION LIMIT {text}"),
                format!("ALTER DATABASE x SET a TO {text}"),
                format!("COMMENT ON DATABASE {text} IS 'a'"),
                format!("GRANT ALL ON DATABASE x TO {text};"),
            ] {
                let Some(anew) = about_database(&statement) else { continue };
                prop_assert!(!anew.contains('\\'), "{anew}");
                let ends = super::super::words::words(&anew).iter().filter(|word| word.is(";")).count();
                prop_assert_eq!(ends, 1, "{}", anew);
            }
        }
    }
}
