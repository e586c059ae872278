//! What several workers have to do, and in which order: the largest table comes first, and its indexes come as soon as
//! its rows are in.

use super::early::Early;
use super::parts::Part;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// Something for one worker to do.
#[derive(Debug)]
pub enum Work {
    /// Rows to load; the number is that of the part.
    Load(usize, Part),
    /// An index or a constraint to make.
    Make(Early),
}

/// What is left to do.
#[derive(Debug)]
pub struct Queue {
    parts: VecDeque<(usize, Part)>,
    early: Vec<Early>,
    /// For each entry whose data is not in yet, how many parts of it are not.
    missing: HashMap<i32, usize>,
    /// The entries with data after which late rows come, as far as they are not in yet.
    first: BTreeSet<i32>,
    made: BTreeSet<i32>,
    making: Vec<Early>,
}

impl Queue {
    /// Of these, each in its order; these entries are made.
    pub fn new(parts: Vec<Part>, early: Vec<Early>, made: BTreeSet<i32>) -> Self {
        let mut missing = HashMap::new();
        for id in parts.iter().flat_map(Part::entries) {
            *missing.entry(*id).or_default() += 1;
        }
        let first = parts.iter().filter(|part| part.after().is_none()).flat_map(Part::entries);
        let first = first.copied().collect();
        let parts = parts.into_iter().enumerate().collect();
        Self { parts, early, missing, first, made, making: Vec::new() }
    }

    /// What can be begun now; `None` if nothing can before something else has ended.
    pub fn next(&mut self) -> Option<Work> {
        let part = self.parts.iter().position(|(_, part)| self.may_come(part));
        let left = part.and_then(|place| self.parts.get(place)).map_or(0, |(_, part)| part.weight());
        let ready = self.early.iter().position(|one| self.is_ready(one));
        if let Some(place) = ready
            && self.early.get(place).is_some_and(|one| one.bytes >= left)
        {
            let one = self.early.remove(place);
            self.making.push(one.clone());
            return Some(Work::Make(one));
        }
        self.parts.remove(part?).map(|(number, part)| Work::Load(number, part))
    }

    /// Whether no rows are left to be loaded.
    pub fn has_all_rows(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether no index or constraint waits any more, either.
    pub fn is_done(&self) -> bool {
        self.has_all_rows() && self.early.is_empty()
    }

    /// Lets rows come that wait for others; false if none waits.
    pub fn hurry(&mut self) -> bool {
        self.parts.iter_mut().for_each(|(_, part)| part.hurry());
        !self.parts.is_empty()
    }

    fn may_come(&self, part: &Part) -> bool {
        part.after().is_none_or(|after| self.first.is_empty() && self.are_in(after))
    }

    fn are_in(&self, rows: &BTreeSet<i32>) -> bool {
        match self.missing.len() < rows.len() {
            true => !self.missing.keys().any(|id| rows.contains(id)),
            false => !rows.iter().any(|id| self.missing.contains_key(id)),
        }
    }

    fn is_ready(&self, one: &Early) -> bool {
        self.are_in(&one.rows)
            && one.after.is_subset(&self.made)
            && !self.making.iter().any(|other| one.collides(other))
    }

    /// A part's rows are in.
    pub fn loaded(&mut self, part: &Part) {
        for id in part.entries() {
            if let Some(parts) = self.missing.get_mut(id) {
                *parts = parts.saturating_sub(1);
                if *parts == 0 {
                    self.missing.remove(id);
                    self.first.remove(id);
                }
            }
        }
    }

    /// An index or a constraint is made.
    pub fn made(&mut self, one: &Early) {
        self.making.retain(|other| other.id != one.id);
        self.made.insert(one.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::{Sizes, parts};
    use super::*;
    use crate::archive::{Preamble, Reader};
    use crate::stored::format::inventory::Inventory;

    /// What is begun, in its order, if a worker ends its work only when nothing else can be begun.
    #[test]
    fn indexes_come_as_soon_as_their_rows_are_in() {
        let dump = include_bytes!("../../../tests/data/related18.dump");
        let mut reader = Reader::with_digests();
        reader.feed(dump).unwrap();
        let inventory = Inventory::new(reader.finish().unwrap(), &[]);
        let front = Preamble::read(&inventory.archive.preamble).unwrap();
        let parts = parts(&inventory, &front, Sizes { share: 1 << 40, whole: 1 << 40 }, 1);
        let (first, early): (Vec<_>, Vec<_>) =
            Early::all(&front, &inventory, 0).into_iter().partition(Early::is_first);
        let made: BTreeSet<i32> = first.iter().map(|one| one.id).collect();
        let (loads, makes) = (parts.len(), early.len());
        assert!(loads > 10 && makes > 5);

        let mut queue = Queue::new(parts, early, made.clone());
        let (mut loaded, mut done, mut weights) = (BTreeSet::new(), made, Vec::new());
        let mut labels = Vec::new();
        while let Some(work) = queue.next() {
            match work {
                Work::Load(_, part) => {
                    loaded.extend(part.entries().clone());
                    weights.push(part.weight());
                    labels.push(part.label.clone());
                    queue.loaded(&part);
                }
                Work::Make(one) => {
                    assert!(one.rows.is_subset(&loaded) && one.after.is_subset(&done), "{one:?}");
                    done.insert(one.id);
                    labels.push(one.label.clone());
                    queue.made(&one);
                }
            }
        }
        assert!(weights.is_sorted_by_key(|weight| std::cmp::Reverse(*weight)));
        assert_eq!(labels.len(), loads + makes);
        let place = |label: &str| labels.iter().position(|one| one == label).unwrap();
        assert!(place("app.orders orders_pkey") < loads, "{labels:?}");
    }

    #[test]
    fn late_rows_come_after_all_others_and_after_those_that_they_need() {
        let dump = include_bytes!("../../../tests/data/late15.dump");
        let mut reader = Reader::with_digests();
        reader.feed(dump).unwrap();
        let inventory = Inventory::new(reader.finish().unwrap(), &[]);
        let front = Preamble::read(&inventory.archive.preamble).unwrap();
        let parts = parts(&inventory, &front, Sizes { share: 1 << 40, whole: 1 << 40 }, 500);
        let mut queue = Queue::new(parts.clone(), Vec::new(), BTreeSet::new());
        let Some(Work::Load(_, first)) = queue.next() else { panic!("nothing to load") };
        assert!(first.after().is_none() && queue.next().is_none());
        // Its tables are loaded one by one if the server refuses it.
        let alone = first.by_table(&inventory);
        assert_eq!(alone.len(), 4);
        alone.iter().for_each(|part| queue.loaded(part));
        let mut labels = Vec::new();
        while let Some(Work::Load(_, part)) = queue.next() {
            let names = front.toc.with_data().filter(|entry| part.entries().contains(&entry.dump_id()));
            labels.extend(names.map(|entry| entry.label().replace("public.", "")));
            queue.loaded(&part);
        }
        assert!(queue.has_all_rows());
        assert_eq!(labels.len(), 10);
        let place = |label: &str| labels.iter().position(|one| one == label).unwrap();
        assert!(place("Base") < place("also_1") && place("also_1") < place("against"), "{labels:?}");
        assert!(labels.ends_with(&["any_other".to_owned()]), "{labels:?}");

        let mut queue = Queue::new(parts, Vec::new(), BTreeSet::new());
        assert!(queue.next().is_some() && queue.next().is_none());
        assert!(queue.hurry() && queue.next().is_some());
    }

    #[test]
    fn what_collides_waits_and_other_work_goes_on() {
        let one = |id: i32| Early { id, bytes: 9, ..Early::default() };
        let mut queue =
            Queue::new(Vec::new(), vec![one(1), Early { after: [1].into(), ..one(2) }], [].into());
        let Some(Work::Make(first)) = queue.next() else { panic!("nothing to do") };
        assert_eq!(first.id, 1);
        assert!(queue.next().is_none());
        queue.made(&first);
        assert!(matches!(queue.next(), Some(Work::Make(Early { id: 2, .. }))));
        assert!(queue.next().is_none());
    }
}
