//! Which rows come after others although no entry says so.
//!
//! A CHECK constraint, a generated column or a partition key may call a function that reads other tables, if the function is
//! declared not to (`IMMUTABLE`). `pg_dump` sorts rows by the names of their tables; so a value could be computed before the
//! rows that it is computed from are there, and would be another one, without any error. What a function reads is seen by
//! what it depends on, and by the names in its text. A name that means something else costs some parallel work, and nothing
//! more.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::places::Places;
use super::reading::{Reading, Reads};
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::EntryKind;

/// Rows that come after all that are not of this kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateRows {
    /// The dump id of their entry.
    pub id: i32,
    /// Other late rows that come before.
    pub after: Arc<BTreeSet<i32>>,
    /// Whether rows that are read come later in the archive.
    pub too_early: bool,
    /// Whether it is a generated column that is computed from them, and not only from rows of extensions.
    pub generated: bool,
}

impl Toc {
    /// The rows of tables whose constraints, generated columns or partition keys call functions that read other tables, in an
    /// order in which each finds what it reads, as far as they do not read each other.
    pub fn late_rows(&self) -> Vec<LateRows> {
        let mut reading = Reading::of(self);
        let rows = reading.rows().to_vec();
        let mut late: Vec<_> =
            (0..rows.len()).filter_map(|place| Some((place, reading.reads(place)?))).collect();
        let known: Places =
            late.iter().filter(|(_, reads)| !reads.anything).map(|(place, _)| *place).collect();
        let last_other = (0..rows.len()).rev().find(|place| !known.contains(*place));
        let is_too_early = |(place, reads): &&(usize, Reads)| {
            reads.rows.last() > Some(*place) || reads.anything && last_other > Some(*place)
        };
        let too_early: Places = late.iter().filter(is_too_early).map(|(place, _)| *place).collect();
        let generated: Places =
            late.iter().filter(|(_, reads)| reads.generated).map(|(place, _)| *place).collect();
        for (_, reads) in late.iter_mut().filter(|(_, reads)| reads.anything) {
            reads.rows.add(&known);
        }
        // Those whose needs are known choose first.
        late.sort_by_key(|(_, reads)| reads.anything);
        let places: Vec<usize> = late.iter().map(|(place, _)| *place).collect();
        let needs: HashMap<usize, Places> =
            late.into_iter().map(|(place, reads)| (place, reads.rows)).collect();
        let id = |place: usize| rows.get(place).map(|rows| rows.dump_id());
        let (mut before, mut known_sets) = (Places::default(), HashMap::new());
        let ordered = in_order(&places, &needs).into_iter().filter_map(|place| {
            let after = needs.get(&place)?.both(&before);
            before.insert(place);
            // Many may come after the same ones.
            let after = known_sets
                .entry(after)
                .or_insert_with_key(|after| Arc::new(after.iter().filter_map(id).collect()));
            let (too_early, generated) = (too_early.contains(place), generated.contains(place));
            Some(LateRows { id: id(place)?, after: Arc::clone(after), too_early, generated })
        });
        ordered.collect()
    }

    /// Those of these rows that are of tables with generated columns that are computed from other rows, each with these, as far
    /// as they are known.
    pub fn computed_rows(&self, of: &HashSet<i32>) -> Vec<(&TocEntry, Vec<&TocEntry>)> {
        if of.is_empty() {
            return Vec::new();
        }
        let mut reading = Reading::of(self);
        let rows = reading.rows().to_vec();
        let wanted = rows.iter().enumerate().filter(|(_, rows)| of.contains(&rows.dump_id()));
        let computed = wanted.filter_map(|(place, computed)| {
            let reads = reading.reads(place).filter(|reads| reads.generated)?;
            let read: Vec<_> = reads.rows.iter().filter_map(|place| rows.get(place).copied()).collect();
            (!read.is_empty()).then_some((*computed, read))
        });
        computed.collect()
    }

    /// Each entry's place, with late rows after all others; `None` if what they read is there before them anyway.
    pub fn places_by_need(&self) -> Option<HashMap<i32, usize>> {
        let late = self.late_rows();
        if !late.iter().any(|rows| rows.too_early) {
            return None;
        }
        let ids: HashSet<i32> = late.iter().map(|rows| rows.id).collect();
        let is_rows = |entry: &&TocEntry| entry.has_data() && entry.kind() == EntryKind::TableData;
        let rows = self.entries().iter().filter(is_rows).map(TocEntry::dump_id);
        let mut ordered = rows.filter(|id| !ids.contains(id)).chain(late.iter().map(|rows| rows.id));
        // All that is not rows stays in its place.
        let places = self.entries().iter().enumerate().filter_map(|(place, entry)| {
            let id = if is_rows(&entry) { ordered.next()? } else { entry.dump_id() };
            Some((id, place))
        });
        Some(places.collect())
    }
}

/// These, each after those of them that it needs.
fn in_order(places: &[usize], needs: &HashMap<usize, Places>) -> Vec<usize> {
    let all: Places = places.iter().copied().collect();
    let (mut ordered, mut left) = (Vec::new(), all);
    for place in places {
        let mut path = Vec::from_iter(left.remove(*place).then_some(*place));
        while let Some(last) = path.last() {
            match needs.get(last).and_then(|needs| needs.first_of(&left)) {
                Some(need) => {
                    left.remove(need);
                    path.push(need);
                }
                None => ordered.extend(path.pop()),
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::preamble::Preamble;
    use crate::archive::read::reader::Reader;
    use crate::archive::tests::sample::toc;

    fn front() -> Preamble {
        let mut reader = Reader::new();
        reader.feed(include_bytes!("../../../tests/data/late15.dump")).unwrap();
        reader.preamble().unwrap()
    }

    fn name(front: &Preamble, id: i32) -> String {
        front.toc.entries().iter().find(|entry| entry.dump_id() == id).unwrap().label()
    }

    #[test]
    fn rows_come_after_those_that_their_values_are_computed_from() {
        let front = front();
        let late = front.toc.late_rows();
        let found: Vec<_> = late
            .iter()
            .map(|rows| {
                let after = rows.after.iter().map(|id| name(&front, *id)).collect::<Vec<_>>();
                (name(&front, rows.id), after.join(" "), rows.too_early, rows.generated)
            })
            .collect();
        let any = "public.Base public.against public.also_1 public.also_2 public.bounded_1 public.child public.first public.parent public.second";
        let expected = [
            ("public.Base", "", true, true),
            ("public.also_1", "public.Base", false, true),
            ("public.also_2", "public.Base", false, true),
            ("public.against", "public.also_1 public.also_2", true, false),
            ("public.bounded_1", "", true, false),
            ("public.child", "", true, false),
            ("public.second", "", false, false),
            ("public.first", "public.second", true, false),
            ("public.parent", "", true, false),
            ("public.any_other", any, true, true),
        ];
        let expected = expected.map(|(label, after, too_early, generated)| {
            (label.to_owned(), after.to_owned(), too_early, generated)
        });
        let sorted = |(label, after, too_early, generated): (String, String, bool, bool)| {
            let mut after: Vec<_> = after.split(' ').map(str::to_owned).collect();
            after.sort();
            (label, after, too_early, generated)
        };
        let found: Vec<_> = found.into_iter().map(sorted).collect();
        assert_eq!(found, expected.map(sorted));
    }

    #[test]
    fn it_is_known_from_which_rows_generated_columns_are_computed() {
        let front = front();
        let all = front.toc.with_data().map(TocEntry::dump_id).collect();
        let computed = front.toc.computed_rows(&all).into_iter().map(|(rows, reads)| {
            (rows.label(), reads.into_iter().map(TocEntry::label).collect::<Vec<_>>().join(" "))
        });
        let expected = [
            ("public.Base", "public.rates"),
            ("public.also_1", "public.Base"),
            ("public.also_2", "public.Base"),
        ];
        let expected = expected.map(|(label, reads)| (label.to_owned(), reads.to_owned()));
        assert_eq!(computed.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn only_rows_change_their_places() {
        let front = front();
        let places = front.toc.places_by_need().unwrap();
        let ordered = front.in_order(|entry| places[&entry.dump_id()]);
        assert_eq!(ordered.toc.entries().len(), front.toc.entries().len());
        for (one, other) in front.toc.entries().iter().zip(ordered.toc.entries()) {
            assert_eq!(one.kind(), other.kind());
            assert!(one.kind() == EntryKind::TableData || one == other, "{one:?} {other:?}");
        }
        let rows: Vec<String> = ordered.toc.with_data().map(TocEntry::label).collect();
        let expected = [
            "alone",
            "own",
            "rates",
            "zone",
            "Base",
            "also_1",
            "also_2",
            "against",
            "bounded_1",
            "child",
            "second",
            "first",
            "parent",
            "any_other",
        ];
        assert_eq!(rows, expected.map(|name| format!("public.{name}")));
        // Of two that read each other, one cannot come after the other.
        let early = ordered.toc.late_rows().into_iter().filter(|rows| rows.too_early);
        assert_eq!(early.map(|rows| name(&ordered, rows.id)).collect::<Vec<_>>(), ["public.second"]);
    }

    /// A schema for each tenant: a function with this body, two tables that it may read, two with a column that it computes,
    /// and one with a constraint that may read anything.
    fn tenants(count: i32, body: impl Fn(&str) -> String) -> Toc {
        toc((0..count).flat_map(|number| {
            let (schema, id) = (format!("s{number}"), number * 12);
            let function = |name: &str, body: String| {
                let defn = format!("CREATE FUNCTION {schema}.{name}(c text) AS $$ {body} $$;");
                ("FUNCTION", schema.clone(), format!("{name}(text)"), defn, vec![])
            };
            let table = |name: &str, columns: String, needs| {
                let defn = format!("CREATE TABLE {schema}.{name} (\n    c text{columns}\n);");
                ("TABLE", schema.clone(), name.to_owned(), defn, needs)
            };
            let rows = |name: &str, table| {
                ("TABLE DATA", schema.clone(), name.to_owned(), String::new(), vec![table])
            };
            let computed = || format!(",\n    g boolean GENERATED ALWAYS AS ({schema}.known(c)) STORED");
            let checked = format!(",\n    CONSTRAINT k CHECK ({schema}.any(c))");
            [
                function("known", body(&schema)),
                function("any", "EXECUTE c".to_owned()),
                table("bills", computed(), vec![id + 1]),
                table("invoices", computed(), vec![id + 1]),
                table("orders", checked, vec![id + 2]),
                table("rates", String::new(), vec![]),
                table("zones", String::new(), vec![]),
                rows("bills", id + 3),
                rows("invoices", id + 4),
                rows("orders", id + 5),
                rows("rates", id + 6),
                rows("zones", id + 7),
            ]
        }))
    }

    #[test]
    fn a_thousand_tenants_with_the_same_names_are_looked_at_once() {
        let count = 1000;
        let of_a_schema = |schema: &str| {
            format!(
                "SELECT FROM {schema}.rates JOIN \"{schema}\".zones USING (c) JOIN {schema}.rates r USING (c)"
            )
        };
        let of_any = |_: &str| "SELECT FROM rates JOIN zones USING (c) JOIN rates r USING (c)".to_owned();
        for (toc, read) in
            [(tenants(count, of_a_schema), vec!["s7.rates", "s7.zones"]), (tenants(count, of_any), vec![])]
        {
            let late = toc.late_rows();
            assert!(late.iter().all(|rows| rows.too_early));
            let (known, any) = late.split_at(2 * count as usize);
            assert!(known.iter().all(|rows| rows.generated && rows.after.is_empty()));
            assert!(any.iter().all(|rows| rows.after.len() == known.len()));
            // The same ones are there only once.
            assert!(any.iter().all(|rows| Arc::ptr_eq(&rows.after, &any[0].after)));

            let invoices = |entry: &&TocEntry| entry.label() == "s7.invoices";
            let wanted: HashSet<i32> = toc.with_data().filter(invoices).map(TocEntry::dump_id).collect();
            let computed = toc.computed_rows(&wanted);
            assert_eq!(computed.len(), 1);
            let labels: Vec<String> = computed[0].1.iter().map(|rows| rows.label()).collect();
            match read.is_empty() {
                // A name without a schema may be any of them.
                true => assert_eq!(labels.len(), 2 * count as usize),
                false => assert_eq!(labels, read),
            }
        }
    }

    #[test]
    fn functions_that_call_each_other_read_the_same() {
        let text = |text: &str| text.to_owned();
        let function = |name: &str, body: &str| {
            let defn = format!("CREATE FUNCTION public.{name}(c text) AS $$ {body} $$;");
            ("FUNCTION", text("public"), format!("{name}(text)"), defn, vec![])
        };
        let table = |name: &str, column: &str, needs| {
            let defn = format!("CREATE TABLE public.{name} (\n    c text{column}\n);");
            ("TABLE", text("public"), text(name), defn, needs)
        };
        let rows = |name: &str, table| ("TABLE DATA", text("public"), text(name), String::new(), vec![table]);
        let computed = |by: &str| format!(",\n    g text GENERATED ALWAYS AS (public.{by}(c)) STORED");
        let toc = toc([
            function("one", "SELECT another(c)"),
            function("another", "SELECT one(c), third(c) FROM rates"),
            function("third", "SELECT another(c) FROM zones"),
            table("by_one", &computed("one"), vec![1]),
            table("by_third", &computed("third"), vec![3]),
            table("rates", "", vec![]),
            table("zones", "", vec![]),
            rows("by_one", 4),
            rows("by_third", 5),
            rows("rates", 6),
            rows("zones", 7),
        ]);
        let all: HashSet<i32> = toc.with_data().map(TocEntry::dump_id).collect();
        let computed = toc.computed_rows(&all);
        let read =
            computed.iter().map(|(rows, read)| (rows.dump_id(), read.iter().map(|rows| rows.dump_id())));
        let read: Vec<(i32, Vec<i32>)> = read.map(|(id, read)| (id, read.collect())).collect();
        assert_eq!(read, [(8, vec![10, 11]), (9, vec![10, 11])]);
    }
}
