//! Which operator classes a constraint may compare by: the dump says of a class what it is for, and of a constraint no more
//! than its text.
//!
//! It is a guess. Keys do not say what they compare by, so nothing is brought for them: a class that is not needed could be
//! refused by the server, as only a superuser may create one.

use crate::archive::format::entry::TocEntry;
use crate::sql::EntryKind;
use memchr::memmem::find;

/// Extensions with operator classes for types that every server has, and the words of a constraint that needs one: a class
/// for a type of its own comes with the type.
const EXTENSIONS: [(&[u8], &[&[u8]]); 3] = [
    (b"btree_gist", &[b" WITH =", b" WITH <>", b" WITHOUT OVERLAPS"]),
    (b"intarray", &[b".&&)"]),
    (b"pg_trgm", &[b"gist_trgm_ops"]),
];

/// A constraint with an index that names operators.
pub struct Comparing<'t> {
    text: &'t [u8],
    /// The access method of the index.
    method: &'t [u8],
}

impl<'t> Comparing<'t> {
    /// `None` of any other entry.
    pub fn of(entry: &'t TocEntry) -> Option<Self> {
        entry.defn().filter(|_| entry.kind() == EntryKind::Constraint).and_then(Self::of_text)
    }

    fn of_text(text: &'t [u8]) -> Option<Self> {
        let method = match cut(text, b" EXCLUDE USING ") {
            Some((_, excludes)) => bare(cut(excludes, b" (")?.0),
            None => b"gist",
        };
        let is_one = holds(text, b" EXCLUDE USING ") || holds(text, b" WITHOUT OVERLAPS");
        is_one.then_some(Self { text, method })
    }

    /// Whether it may compare by this operator class, or by one of this extension.
    pub fn may_use(&self, entry: &TocEntry) -> bool {
        match entry.kind() {
            EntryKind::Extension => entry.tag().is_some_and(|extension| self.may_use_extension(extension)),
            EntryKind::OperatorClass => entry.defn().is_some_and(|class| self.may_use_class(class)),
            _ => false,
        }
    }

    fn may_use_extension(&self, name: &[u8]) -> bool {
        let mut known =
            EXTENSIONS.iter().filter(|(extension, _)| self.method == b"gist" && *extension == name);
        known.any(|(_, words)| words.iter().any(|words| holds(self.text, words)))
    }

    /// Of several classes for a type the constraint names the one it uses, unless that is the default.
    fn may_use_class(&self, class: &[u8]) -> bool {
        let named = |class: &[u8]| {
            let name = cut(class, b"CREATE OPERATOR CLASS").and_then(|(_, rest)| cut(rest, b"\n"));
            name.is_some_and(|(name, _)| holds(self.text, &[name, b" "].concat()))
        };
        let method = cut(class, b" USING ").and_then(|(_, rest)| cut(rest, b" "));
        method.is_some_and(|(method, _)| bare(method) == self.method)
            && (holds(class, b" DEFAULT FOR TYPE ") || named(class))
    }
}

/// A name without the quotes that it has if the dump quotes all names.
fn bare(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name)
}

fn holds(text: &[u8], words: &[u8]) -> bool {
    find(text, words).is_some()
}

/// What is before these words, and what is after them.
fn cut<'t>(text: &'t [u8], words: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let place = find(text, words)?;
    Some((text.get(..place)?, text.get(place + words.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(text: &str) -> Comparing<'_> {
        Comparing::of_text(text.as_bytes()).unwrap()
    }

    #[test]
    fn nothing_is_brought_for_keys() {
        let text = "ALTER TABLE ONLY t\n    ADD CONSTRAINT c PRIMARY KEY (id);\n";
        assert!(Comparing::of_text(text.as_bytes()).is_none());
    }

    #[test]
    fn a_class_is_used_if_it_is_named_or_the_default_of_the_access_method() {
        let class = |name: &str, which: &str| {
            format!(
                "CREATE OPERATOR CLASS {name}\n    {which}FOR TYPE integer USING btree FAMILY {name} AS\n"
            )
        };
        let ours = class("app.ours", "");
        let default = class("app.usual", "DEFAULT ");
        for (text, uses) in [
            ("EXCLUDE USING btree (n app.ours WITH =)", [true, true]),
            ("EXCLUDE USING btree (n app.ours2 WITH =)", [false, true]),
            ("EXCLUDE USING hash (n app.ours WITH =)", [false, false]),
            ("PRIMARY KEY (id, d WITHOUT OVERLAPS)", [false, false]),
            ("EXCLUDE USING \"btree\" (n app.ours WITH =)", [true, true]),
        ] {
            let text = format!("ALTER TABLE ONLY t\n    ADD CONSTRAINT c {text};\n");
            let constraint = constraint(&text);
            let used = [&ours, &default].map(|class| constraint.may_use_class(class.as_bytes()));
            assert_eq!(used, uses, "{text}");
        }
    }

    #[test]
    fn an_extension_is_used_only_by_constraints_with_its_words() {
        for (text, extension) in [
            ("EXCLUDE USING gist (room WITH =, during WITH &&)", Some("btree_gist")),
            ("EXCLUDE USING gist (room WITH <>)", Some("btree_gist")),
            ("PRIMARY KEY (room, during WITHOUT OVERLAPS)", Some("btree_gist")),
            ("EXCLUDE USING gist (sets WITH OPERATOR(public.&&))", Some("intarray")),
            ("EXCLUDE USING gist (t public.gist_trgm_ops WITH OPERATOR(public.%))", Some("pg_trgm")),
            ("EXCLUDE USING gist (during WITH &&)", None),
            ("EXCLUDE USING spgist (during WITH =)", None),
            ("EXCLUDE USING \"gist\" (\"room\" WITH =, \"during\" WITH &&)", Some("btree_gist")),
            ("EXCLUDE USING \"gist\" (t public.\"gist_trgm_ops\" WITH OPERATOR(public.%))", Some("pg_trgm")),
        ] {
            let text = format!("ALTER TABLE ONLY t\n    ADD CONSTRAINT c {text};\n");
            let names = ["btree_gist", "intarray", "pg_trgm", "hstore"];
            let used = names.into_iter().filter(|name| constraint(&text).may_use_extension(name.as_bytes()));
            assert_eq!(used.collect::<Vec<_>>(), Vec::from_iter(extension), "{text}");
        }
    }
}
