//! The same archive, with a statement before all others and one after all grants.

use crate::archive::format::entry::TocEntry;
use crate::archive::format::preamble::Preamble;
use crate::archive::format::toc::Toc;

/// What `pg_restore` has no name for is restored in its place; what is called so, with the grants.
const IN_PLACE: &[u8] = b"DEFAULT PRIVILEGES";
const WITH_GRANTS: &[u8] = b"DEFAULT ACL";

impl Preamble {
    /// The same, but one statement runs before all others, and one after all grants.
    #[must_use]
    pub fn enclosed(&self, first: &str, last: &str) -> Self {
        let entries = self.toc.entries();
        let Some(plain) = entries.iter().find(|entry| entry.kind().is_setting()) else { return self.clone() };
        let id = entries.iter().map(TocEntry::dump_id).max().unwrap_or_default() + 1;
        let said = |id, kind, text: &str| plain.saying(id, kind, IN_PLACE, text.as_bytes());
        let (mut all, others): (Vec<_>, Vec<_>) =
            entries.iter().cloned().partition(|entry| entry.kind().is_setting());
        all.push(said(id, IN_PLACE, first));
        all.extend(others);
        all.push(said(id + 1, WITH_GRANTS, last));
        Self { header: self.header.clone(), toc: Toc::new(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::sample::preamble;

    #[test]
    fn one_statement_comes_first_and_one_after_the_grants() {
        let setting = ("ENCODING", "SET client_encoding = 'UTF8';", "");
        let before = preamble(&[setting, ("TABLE", "CREATE TABLE t ();", "a"), ("ACL", "GRANT", "a")]);
        // As the next reader reads it.
        let after = Preamble::read(&before.enclosed("SELECT 1;\n", "SELECT 2;\n").to_bytes()).unwrap();
        let said = after.toc.entries().iter().map(|entry| {
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            (entry.dump_id(), text(entry.desc()), text(entry.defn()))
        });
        let expected = [
            (1, "ENCODING", setting.1),
            (4, "DEFAULT PRIVILEGES", "SELECT 1;\n"),
            (2, "TABLE", "CREATE TABLE t ();"),
            (3, "ACL", "GRANT"),
            (5, "DEFAULT ACL", "SELECT 2;\n"),
        ];
        let expected = expected.map(|(id, kind, text)| (id, kind.to_owned(), text.to_owned()));
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }
}
