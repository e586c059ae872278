//! Tables chosen from the archives of two majors, with what they own and need.

use super::super::{Defined, EntryKind, LeftOut, Pattern, Preamble, Reader, Selection, TocEntry, Unwanted};
use crate::error::{Kind, Result};

/// Of tests/data/related.sql, by the majors whose archives differ most.
const DUMPS: [&[u8]; 2] = [
    include_bytes!("../../../tests/data/related15.dump"),
    include_bytes!("../../../tests/data/related18.dump"),
];

fn preamble(dump: &[u8]) -> Preamble {
    let mut reader = Reader::new();
    reader.feed(dump).unwrap();
    reader.preamble().unwrap()
}

fn select(preamble: &Preamble, patterns: &[&str]) -> Result<Selection> {
    let patterns: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    preamble.toc.select(&patterns)
}

/// What is kept, as `TABLE app.users`, without what every archive has.
fn kept(preamble: &Preamble, selection: &Selection) -> Vec<String> {
    let always = |kind: EntryKind| kind.is_setting() || kind == EntryKind::Database;
    let entries = preamble.toc.entries().iter().filter(|entry| selection.entries.contains(&entry.dump_id()));
    let entries = entries.filter(|entry| !always(entry.kind()));
    let mut names: Vec<_> = entries
        .map(|entry| format!("{} {}", String::from_utf8_lossy(entry.desc().unwrap()), entry.label()))
        .collect();
    names.sort();
    names
}

#[test]
fn a_table_comes_with_its_parts_and_what_it_is_made_of() {
    for preamble in DUMPS.map(preamble) {
        let selection = select(&preamble, &["app.users"]).unwrap();
        let expected = [
            "ACL SCHEMA app",
            "ACL app.COLUMN users.mood",
            "ACL app.TABLE users",
            "COMMENT app.COLUMN users.mood",
            "COMMENT app.TABLE users",
            "COMMENT other.FUNCTION next_code()",
            "CONSTRAINT app.users users_pkey",
            "DOMAIN app.email",
            "FUNCTION other.next_code()",
            "POLICY app.users own",
            "ROW SECURITY app.users",
            "SCHEMA app",
            "SCHEMA other",
            "SEQUENCE SET app.users_id_seq",
            "SEQUENCE SET other.tickets",
            "SEQUENCE app.users_id_seq",
            "SEQUENCE other.tickets",
            "TABLE DATA app.users",
            "TABLE app.users",
            "TYPE app.mood",
        ];
        assert_eq!(kept(&preamble, &selection), expected);
        assert_eq!(selection.only_defined, [""; 0]);
        assert_eq!(selection.left_out, ["POLICY app.users buyers (needs app.orders)"]);
    }
}

#[test]
fn what_ties_it_to_tables_that_do_not_come_is_left_out_and_named() {
    for preamble in DUMPS.map(preamble) {
        for (patterns, only_defined, left_out) in [
            (
                &["orders"][..],
                &[][..],
                &[
                    "RULE app.orders log (needs app.users)",
                    "FK CONSTRAINT app.orders orders_buyer_fkey (needs app.users)",
                ][..],
            ),
            (&["orders", "users"], &[], &[]),
            (&["refs"], &[], &["FK CONSTRAINT app.refs refs_at_kind_fkey (needs app.events)"]),
            (&["refs", "events"], &[], &[]),
            (&["tree"], &[], &[]),
            (&["events_2025"], &["app.events"], &[]),
            (&["child"], &["app.parent"], &[]),
            (&["parent"], &[], &["TABLE app.child (inherits from app.parent)"]),
            (&["parent", "child"], &[], &[]),
            (&["happy"], &["app.users"], &[]),
            (&["counts"], &["app.tree"], &[]),
            (&["borrows"], &["app.orders"], &[]),
            (&["per_buyer"], &["app.orders"], &["MATERIALIZED VIEW DATA app.per_buyer (needs app.orders)"]),
            (&["orders", "users", "per_buyer"], &[], &[]),
            (&["orders_id_seq"], &["app.orders"], &[]),
            (&["*"], &[], &[]),
        ] {
            let selection = select(&preamble, patterns).unwrap();
            assert_eq!(selection.only_defined, only_defined, "{patterns:?}");
            assert_eq!(selection.left_out, left_out, "{patterns:?}");
        }
    }
}

#[test]
fn partitions_come_with_their_table_and_rules_with_their_view() {
    for preamble in DUMPS.map(preamble) {
        let events = kept(&preamble, &select(&preamble, &["app.events"]).unwrap());
        for needed in
            ["TABLE other.events_2026_c", "TABLE DATA other.events_2026_c", "TRIGGER app.events touch"]
        {
            assert!(events.contains(&needed.to_owned()), "{needed}: {events:?}");
        }
        assert_eq!(events.iter().filter(|name| name.contains("ATTACH")).count(), 6);
        let view = kept(&preamble, &select(&preamble, &["grouped"]).unwrap());
        assert!(view.contains(&"RULE app.grouped _RETURN".to_owned()), "{view:?}");
        assert!(view.contains(&"CONSTRAINT app.users users_pkey".to_owned()), "{view:?}");
        assert!(!view.contains(&"TABLE DATA app.users".to_owned()), "{view:?}");
    }
}

fn without(preamble: &Preamble, table: Pattern) -> LeftOut {
    let (rows, extensions, of_extensions) = (&[], &[], &Defined::default());
    preamble.toc.without(&Unwanted { tables: &[table], rows, extensions, of_extensions })
}

/// The dump gives such a view before its table in form only; a rule makes it what it was.
#[test]
fn a_view_goes_with_the_tables_that_only_its_rule_depends_on() {
    for preamble in DUMPS.map(preamble) {
        let left_out = without(&preamble, Pattern::parse("app.users").unwrap());
        assert!(left_out.others.contains(&"VIEW app.grouped".to_owned()), "{:?}", left_out.others);
        assert!(left_out.others.iter().all(|other| !other.contains("_RETURN")), "{:?}", left_out.others);
        let rest = preamble.keep(|entry| !left_out.entries.contains(&entry.dump_id()));
        let of_view = |entry: &&TocEntry| entry.label().starts_with("app.grouped");
        assert_eq!(rest.toc.entries().iter().filter(of_view).count(), 0);
        let all = without(&preamble, Pattern::parse("app.orders").unwrap());
        assert!(all.others.iter().all(|other| !other.contains("app.grouped")), "{:?}", all.others);
    }
}

#[test]
fn a_pattern_that_matches_nothing_gives_similar_names() {
    let preamble = preamble(DUMPS[0]);
    for (pattern, near) in [
        ("app.order", "did you mean app.orders"),
        ("public.users", "app.users"),
        ("\"mixed case\"", "did you mean app.\"Mixed Case\""),
        ("MixedCase", "app.\"Mixed Case\""),
        ("other.users", "app.users"),
        ("nothing_like_it", "pgstow show"),
    ] {
        let error = select(&preamble, &["users", pattern]).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.message().contains(pattern), "{error}");
        assert!(error.hints()[0].contains(near), "{pattern}: {:?}", error.hints());
    }
}

#[test]
fn the_smaller_archive_is_one() {
    for dump in DUMPS {
        let preamble = preamble(dump);
        let selection = select(&preamble, &["app.events"]).unwrap();
        let smaller = preamble.keep(|entry| selection.entries.contains(&entry.dump_id()));
        let mut reader = Reader::new();
        reader.feed(&smaller.to_bytes()).unwrap();
        let toc = reader.toc().unwrap();
        assert_eq!((toc.tables(), toc.with_data().count()), (4, 2));
    }
}

#[test]
fn rows_in_a_table_of_an_extension_come_without_its_definition() {
    for preamble in DUMPS.map(preamble) {
        let defined_here = |kind: &[u8], name: &[u8]| (kind, name) != (b"TABLE".as_slice(), b"tree");
        let preamble = preamble.keep(|entry| defined_here(entry.desc().unwrap(), entry.tag().unwrap()));
        let selection = select(&preamble, &["app.tree"]).unwrap();
        assert!(kept(&preamble, &selection).contains(&"TABLE DATA app.tree".to_owned()));
        assert_eq!((selection.only_defined.len(), selection.left_out.len()), (0, 0));
    }
}
