//! A list of an archive's entries, as `pg_restore --list` prints it and `pg_restore --use-list` reads it.

use crate::archive::format::entry::TocEntry;
use crate::archive::format::header::Compression;
use crate::archive::format::preamble::Preamble;

impl Preamble {
    /// The list, in the dump's encoding. A line may be moved, or disabled by a `;` before it.
    pub fn list(&self) -> Vec<u8> {
        let header = &self.header;
        let compression = match header.compression {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        };
        let mut list = format!(";\n; Archive created at {}\n;     dbname: ", header.made).into_bytes();
        list.extend(one_line(&header.dbname));
        let facts = [
            format!("TOC Entries: {}", self.toc.entries().len()),
            format!("Compression: {compression}"),
            format!("Dump Version: {}-0", header.version),
            "Format: CUSTOM".to_owned(),
            format!("Dumped from database version: {}", header.server_version),
            format!("Dumped by pg_dump version: {}", header.dump_version),
        ];
        for fact in &facts {
            list.extend(b"\n;     ");
            list.extend(one_line(fact.as_bytes()));
        }
        list.extend(b"\n;\n;\n; Selected TOC Entries:\n;\n");
        for entry in self.toc.entries().iter().filter(|entry| is_listed(entry)) {
            let number = |text: Option<&[u8]>| String::from_utf8_lossy(text.unwrap_or(b"0")).into_owned();
            let (table_oid, oid) = (number(entry.table_oid()), number(entry.oid()));
            list.extend(format!("{}; {table_oid} {oid}", entry.dump_id()).bytes());
            for word in [entry.desc(), Some(entry.namespace().unwrap_or(b"-")), entry.tag(), entry.owner()] {
                list.push(b' ');
                list.extend(one_line(word.unwrap_or_default()));
            }
            list.push(b'\n');
        }
        list
    }
}

fn is_listed(entry: &TocEntry) -> bool {
    // A restore into a database that exists ignores what is about the database; settings it reads in any case.
    let does_something = entry.had_dumper() || entry.defn().is_some_and(|defn| !defn.is_empty());
    does_something && !entry.is_of_database() && !entry.kind().is_setting()
}

/// A name or a version with a newline must not begin a line of its own.
fn one_line(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    name.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte })
}
