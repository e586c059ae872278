//! What others put among the backups: objects that no store of pgstow's can have made.

use super::scene::{days, prune, there};
use crate::scene::Place;

const KEEP_ONE: [&str; 4] = ["--keep-last", "1", "--min-keep", "1"];

/// A folder marker, as consoles make it, and names that pgstow refuses: they stay, and the backup goes.
#[test]
fn objects_that_are_none_of_ours_do_not_keep_a_backup() {
    let place = Place::garage("marked");
    let ids = days(&place, "app", 3);
    let foreign =
        [String::new(), "a\\b".to_owned(), "n".repeat(900)].map(|object| format!("app/{}/{object}", ids[0]));
    for key in &foreign {
        place.put(key, "");
    }
    // One that pgstow could have made is taken for its own.
    place.put(&format!("app/{}/notes.txt", ids[1]), "x");
    prune(&place, &KEEP_ONE).succeeds().says("removed 2 backups");
    prune(&place, &KEEP_ONE).succeeds();
    assert_eq!(there(&place, "app"), [ids[2].clone()]);
    let stays: Vec<_> = place.keys().into_iter().filter(|key| !key.contains(&ids[2])).collect();
    let mut foreign = foreign.to_vec();
    foreign.sort();
    assert_eq!(stays, foreign);
}
