//! Which roles a script names: those it gives objects or grants to.

use super::lines::{Lines, Piece};
use super::text;
use std::collections::BTreeSet;

/// Words for roles that are nobody's name.
const NO_NAMES: &[&str] = &["PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER"];

/// Gathers the names of roles from a script's passing bytes, as far as `pg_dump` writes them on one line.
///
/// A few more than there are may be found, in the text of functions.
#[derive(Debug, Default)]
pub struct NamedRoles {
    lines: Lines,
    names: BTreeSet<String>,
}

impl NamedRoles {
    /// Reads the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let names = &mut self.names;
        self.lines.feed(bytes, &mut |piece| {
            if let Piece::Line(line) = piece {
                names.extend(named(text(line)));
            }
        });
    }

    /// The names, sorted.
    pub fn finish(self) -> Vec<String> {
        self.names.into_iter().collect()
    }
}

/// The roles that one line names.
fn named(line: &str) -> Vec<String> {
    let default = line.starts_with("ALTER DEFAULT PRIVILEGES ");
    let gives = default
        || line.starts_with("GRANT ")
        || line.starts_with("ALTER ") && line.contains(" OWNER TO ")
        || line.starts_with("CREATE POLICY ");
    if !gives {
        return Vec::new();
    }
    // A policy says more behind its roles; everything else ends with them.
    let to =
        if line.starts_with("CREATE POLICY ") { line.split_once(" TO ") } else { line.rsplit_once(" TO ") };
    let of = if default { line.split_once(" FOR ROLE ") } else { None };
    [to, of].into_iter().flatten().flat_map(|(_, rest)| list(rest)).collect()
}

/// The names at the beginning of `rest`, separated by commas.
fn list(mut rest: &str) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let (name, quoted, behind) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut end = 0;
                let mut name = String::new();
                let mut letters = quoted.char_indices().peekable();
                while let Some((at, letter)) = letters.next() {
                    end = at + letter.len_utf8();
                    if letter != '"' {
                        name.push(letter);
                    } else if letters.next_if(|(_, next)| *next == '"').is_some() {
                        name.push('"');
                    } else {
                        break;
                    }
                }
                (name, true, quoted.get(end..).unwrap_or_default())
            }
            None => {
                let end = rest.find([' ', ',', ';']).unwrap_or(rest.len());
                let (name, behind) = rest.split_at(end);
                (name.to_owned(), false, behind)
            }
        };
        if !name.is_empty() && (quoted || !NO_NAMES.contains(&name.as_str())) {
            names.push(name);
        }
        match behind.strip_prefix(", ") {
            Some(more) => rest = more,
            None => return names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_grantees_and_policies_are_found_and_rows_are_not_read() {
        let script = "ALTER TABLE public.t OWNER TO app;\n\
             GRANT SELECT,INSERT(a) ON TABLE public.\"x TO y\" TO \"Odd \"\"Role\"\"\" WITH GRANT OPTION;\n\
             GRANT SELECT ON TABLE t TO PUBLIC;\nREVOKE ALL ON TABLE t FROM nobody;\n\
             ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA s GRANT SELECT ON TABLES TO reader;\n\
             CREATE POLICY p ON public.t FOR SELECT TO one, two USING ((a TO b));\n\
             CREATE POLICY q ON public.t USING (true);\nALTER TABLE t RENAME COLUMN a TO b;\n\
             COPY t (a) FROM stdin;\nGRANT x TO y;\n\\.\nSELECT 1;\n";
        for step in [1, 11, script.len()] {
            let mut roles = NamedRoles::default();
            script.as_bytes().chunks(step).for_each(|bytes| roles.feed(bytes));
            assert_eq!(roles.finish(), ["Odd \"Role\"", "app", "maker", "one", "reader", "two"]);
        }
    }
}
