//! What a backup is called: its name, its id, the moment it was taken, and the keys of its objects.
//!
//! Keys are built and taken apart here and nowhere else.

use crate::error::{Error, Result};
use crate::store::check_key;
use crate::units::age;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The object written last; its presence makes the backup exist.
pub const MANIFEST: &str = "manifest.json";
/// The detached signature over the manifest's bytes.
pub const SIGNATURE: &str = "manifest.json.minisig";

/// What stays as it is in a key; everything else is percent-encoded, so that every store, file
/// system and shell takes it.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

/// Clocks differ by this much; an id that is further ahead is not believed.
pub const CLOCK_SKEW: Duration = Duration::from_secs(600);
/// Longest name taken, in bytes after encoding: keys may have 1024 on S3, file names 255 on most file systems.
const LONGEST_NAME: usize = 200;

/// The name under which the backups of one source are kept.
///
/// `/` separates levels (`portal/users`); anything unusual is percent-encoded in keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name for a database, when the user gave none.
    pub fn of_database(database: &str) -> Result<Self> {
        // A '/' in a database's name is no level, and folding it into another letter could put the
        // backups of two databases under one name.
        match database.parse() {
            Ok(name) if !database.contains('/') => Ok(name),
            _ => Err(Error::usage(format!(
                "the database's name {database:?} cannot be used as the backups' name"
            ))
            .hint("give one with --name")),
        }
    }

    /// The folder of this name in the store, without a final `/`.
    pub fn folder(&self) -> String {
        self.0
            .split('/')
            .map(|level| utf8_percent_encode(level, PLAIN).to_string())
            .collect::<Vec<_>>()
            .join("/")
    }

    fn from_folder(folder: &str) -> Option<Self> {
        let name = percent_decode_str(folder).decode_utf8().ok()?.parse::<Self>().ok()?;
        // Only what we would have written ourselves: two folders never stand for one name.
        (name.folder() == folder).then_some(name)
    }

    /// The name as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::usage(format!("{text:?} cannot be a name: {why}"))
                .hint("letters, digits, '-', '_' and '.' are safe; '/' separates levels"))
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.split('/').any(|level| level.is_empty() || level.starts_with('.')) {
            return refuse("a level of it is empty or begins with a dot");
        }
        if text.chars().any(char::is_control) {
            return refuse("it holds a control character");
        }
        if text.split('/').any(|level| level.parse::<Id>().is_ok()) {
            return refuse("a level of it looks like a backup's id");
        }
        let name = Self(text.to_owned());
        if name.folder().len() > LONGEST_NAME {
            return refuse("it is too long");
        }
        Ok(name)
    }
}

impl TryFrom<String> for Name {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One backup: `20261120T030000Z-7f3k9q`, the start in UTC and six random letters; sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

impl Id {
    /// Crockford's base32 in lower case: no letter that is mistaken for another.
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    /// How many ids a second has.
    const NUMBERS: u32 = 1 << 30;

    /// A new id for a backup that starts now.
    pub fn new(start: Timestamp) -> Result<Self> {
        let letters: String = random::<6>()?
            .iter()
            .filter_map(|b| Self::LETTERS.get(usize::from(b % 32)).copied())
            .map(char::from)
            .collect();
        let moment: String = start.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        Ok(Self(format!("{moment}-{letters}")))
    }

    /// A new id for a backup that starts now, greater than those of the same name that there are.
    ///
    /// Two of one second would else be in no order. It is a little greater, so that thousands more of that second come after
    /// it, and not always the next one, which another run may choose at this moment.
    pub fn after(start: Timestamp, others: &[Self]) -> Result<Self> {
        const STEP: u32 = 1 << 10;
        let id = Self::new(start)?;
        let last = others.iter().filter(|other| other.second() == id.second()).max();
        let Some(last) = last else { return Ok(id) };
        let first = last.number() + 1;
        Ok(last.between(first, (first + STEP).min(Self::NUMBERS))?.unwrap_or(id))
    }

    /// A new id for the same backup: of the same second, after this one, and before the next one that there is.
    ///
    /// So it takes this one's place in every order, and is the one to take while both are there. If no id is left in
    /// between, it becomes the last one of its second.
    pub fn again(&self, others: &[Self]) -> Result<Self> {
        let next = others.iter().filter(|other| other.second() == self.second() && *other > self).min();
        match self.between(self.number() + 1, next.map_or(Self::NUMBERS, Self::number))? {
            Some(id) => Ok(id),
            None => Self::after(self.started_at().unwrap_or_else(Timestamp::now), others),
        }
    }

    /// An id of the same second whose number is one of these, the last excluded; `None` if there is none.
    fn between(&self, first: u32, end: u32) -> Result<Option<Self>> {
        if first >= end {
            return Ok(None);
        }
        let number = first + random::<4>().map(u32::from_le_bytes)? % (end - first);
        let letter = |at: u32| Self::LETTERS.get((number >> (at * 5)) as usize % 32).copied().map(char::from);
        Ok(Some(Self(format!("{}{}", self.second(), (0..6).rev().filter_map(letter).collect::<String>()))))
    }

    /// What comes before its letters.
    fn second(&self) -> &str {
        self.0.get(..17).unwrap_or_default()
    }

    /// Its letters as a number.
    fn number(&self) -> u32 {
        let digit = |byte: u8| Self::LETTERS.iter().position(|letter| *letter == byte).unwrap_or_default();
        self.0.bytes().skip(17).fold(0, |number, byte| number << 5 | digit(byte) as u32)
    }

    /// When the backup was begun, to the second; `None` where that moment does not exist.
    pub fn started_at(&self) -> Option<Timestamp> {
        let part = |range: Range<usize>| self.0.get(range);
        let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
        let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
        format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").try_into().ok()
    }

    /// Whether it names a moment that is still to come, or that does not exist.
    ///
    /// Whoever can write to the store could make something the newest for ever by such an id.
    pub fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.started_at().is_none_or(|start| start > now.after(CLOCK_SKEW))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Random bytes of the system.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::unexpected("the system provided no random bytes").because(e.to_string()))?;
    Ok(bytes)
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let shape_fits = text.len() == 23
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                16 => byte == b'-',
                0..=14 => byte.is_ascii_digit(),
                _ => Self::LETTERS.contains(&byte),
            });
        if shape_fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::usage(format!("{text:?} is not a backup's id")))
        }
    }
}

impl TryFrom<String> for Id {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where one backup lies: its name and id, from which the keys of its objects follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Under what the backups of this source are kept.
    pub name: Name,
    /// Which of them.
    pub id: Id,
}

impl Place {
    /// The key of one of the backup's objects, relative to the store's prefix.
    pub fn key(&self, object: &str) -> String {
        format!("{}/{}/{object}", self.name.folder(), self.id)
    }

    /// What the keys of all backups begin with that have the same name and the same second.
    pub fn prefix_of_second(&self) -> String {
        format!("{}/{}", self.name.folder(), self.id.second())
    }

    /// What went wrong with the backup, for a sentence that names it already: it is named once, even if the failure
    /// names it too.
    pub fn without<'w>(&self, why: &'w str) -> &'w str {
        why.strip_prefix(&format!("{self}: ")).unwrap_or(why)
    }

    /// The backup whose manifest lies at this key, if it is a manifest's key.
    pub fn of_manifest(key: &str) -> Option<Self> {
        Self::of_object(key).filter(|(_, object)| *object == MANIFEST).map(|(place, _)| place)
    }

    /// The backup in whose folder the object at this key lies, and the object's name there; `None` for what only others
    /// can have put there, such as the marker of a folder: no store takes such a key from us, not even to delete it.
    pub fn of_object(key: &str) -> Option<(Self, &str)> {
        check_key(key).ok()?;
        let (folder, object) = key.rsplit_once('/')?;
        let (folder, id) = folder.rsplit_once('/')?;
        Some((Self { name: Name::from_folder(folder)?, id: id.parse().ok()? }, object))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.id, self.name)
    }
}

/// A moment in UTC, to the millisecond in manifests, shown to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// Now, cut to the millisecond.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// How long after `earlier` this moment is; zero when a clock went backwards.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).unwrap_or_default()
    }

    /// How long ago it was, as people read it: `3days 4h`, or `in 3days 4h` if it is still to come.
    pub fn age(self) -> String {
        let now = Self::now();
        if self > now { format!("in {}", age(self.since(now))) } else { age(now.since(self)) }
    }

    /// The same in a sentence: `3days 4h ago`.
    pub fn ago(self) -> String {
        let age = self.age();
        if self > Self::now() { age } else { format!("{age} ago") }
    }

    /// The moment so long after this one.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.checked_add(span).unwrap_or(self.0))
    }
}

/// Cut to the millisecond.
impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self(UNIX_EPOCH + Duration::from_millis(millis))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(moment: Timestamp) -> Self {
        moment.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.0).fmt(f)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = humantime::TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        humantime::parse_rfc3339(&text).map(Self)
    }
}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> Self {
        humantime::format_rfc3339_millis(moment.0).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_second_are_in_order() {
        let start: Timestamp = "2024-02-29T03:00:00Z".to_owned().try_into().unwrap();
        let id = |letters: &str| format!("20240229T030000Z-{letters}").parse::<Id>().unwrap();
        let last = id("z00000");
        let mut others = vec![last.clone()];
        for _ in 0..200 {
            let id = Id::after(start, &others).unwrap();
            assert!(others.iter().all(|other| *other < id));
            others.push(id);
        }
        // Two runs that see the same ones hardly choose the same.
        let both = [(); 2].map(|()| (0..3).map(|_| Id::after(start, &others).unwrap()).collect::<Vec<_>>());
        assert_ne!(both[0], both[1]);
        assert_eq!(last.between(last.number() + 1, last.number() + 2).unwrap(), Some(id("z00001")));
        assert_eq!(last.between(1, 1).unwrap(), None);
        assert_eq!(Id::after(start, &[id("zzzzzy")]).unwrap(), id("zzzzzz"));
    }

    #[test]
    fn a_backup_keeps_its_place_under_a_new_id() {
        let id = |letters: &str| format!("20240229T030000Z-{letters}").parse::<Id>().unwrap();
        let others = [id("100000"), id("100003"), "20240229T030001Z-100001".parse().unwrap()];
        for _ in 0..50 {
            let again = id("100000").again(&others).unwrap();
            assert!(again == id("100001") || again == id("100002"), "{again}");
            assert!(id("100003").again(&others).unwrap() > id("100003"));
            assert!(id("000000").again(&others).unwrap() < id("100000"));
        }
        assert_eq!(id("100000").started_at(), id("100000").again(&others).unwrap().started_at());
        // No id is left in between.
        assert!(id("100002").again(&others).unwrap() > id("100003"));
        id("zzzzzz").again(&[id("zzzzzz")]).unwrap();
    }

    #[test]
    fn an_id_sorts_by_time_and_reads_back() {
        let at = |s: u64| Timestamp(UNIX_EPOCH + Duration::from_secs(s));
        let (older, newer) = (Id::new(at(1_795_143_600)).unwrap(), Id::new(at(1_795_143_601)).unwrap());
        assert!(older.as_str().starts_with("20261120T030000Z-"), "{older}");
        assert!(older < newer);
        assert_eq!(older.started_at(), Some(at(1_795_143_600)));
        assert_eq!(older.as_str().parse::<Id>().unwrap(), older);
        for wrong in ["", "latest", "20261120T030000Z", "20261120T030000Z-7f3k9", "20261120T030000Z-7f3kiq"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_survives_the_way_through_a_key() {
        for text in ["app", "portal/users", "we ird.Näme", "a%2Fb", "100%", "x+y=z"] {
            let name: Name = text.parse().unwrap();
            let id = Id::new(Timestamp::now()).unwrap();
            let place = Place { name, id };
            assert!(place.key(MANIFEST).is_ascii());
            assert_eq!(Place::of_manifest(&place.key(MANIFEST)), Some(place));
        }
        for wrong in ["", "/", "a//b", "/a", "..", "a/../b", "a\nb", "20261120T030000Z-7f3k9q", ".hidden"] {
            assert!(wrong.parse::<Name>().is_err(), "{wrong:?}");
        }
        assert_eq!(Name::of_database("we ird").unwrap().as_str(), "we ird");
        assert!(Name::of_database("a/b").unwrap_err().hints()[0].contains("--name"));
    }

    #[test]
    fn only_a_manifest_in_its_place_makes_a_backup() {
        for key in [
            "manifest.json",
            "app/manifest.json",
            "app/20261120T030000Z-7f3k9q/manifest.json.minisig",
            "app/20261120T030000Z-7f3k9q/dump.zst.age",
            "app/20261120T030000Z-7f3k9q/extra/manifest.json",
            "we ird/20261120T030000Z-7f3k9q/manifest.json",
        ] {
            assert_eq!(Place::of_manifest(key), None, "{key}");
        }
    }

    #[test]
    fn what_no_store_takes_from_us_is_no_object_of_a_backup() {
        let folder = "app/20261120T030000Z-7f3k9q";
        assert!(Place::of_object(&format!("{folder}/notes.txt")).is_some());
        for object in ["", "a\\b", "a\u{1b}[2J", &"n".repeat(900)] {
            assert_eq!(Place::of_object(&format!("{folder}/{object}")), None, "{object:?}");
        }
    }
}
