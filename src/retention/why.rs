//! Why a backup is kept.

use std::fmt;

/// What a rule keeps one backup of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// Each by itself.
    Last,
    /// An hour.
    Hourly,
    /// A day.
    Daily,
    /// A week, from Monday on.
    Weekly,
    /// A month.
    Monthly,
    /// A year.
    Yearly,
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        })
    }
}

/// Why a backup is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is the last one of its day, week, …, and there are not yet enough of them.
    Rule(Period),
    /// It is the oldest of all, and there are fewer days, weeks, … than the rule keeps.
    Oldest(Period),
    /// It is not much older than the newest one.
    Within,
    /// It is the newest whole one.
    Newest,
    /// It is the newest that a trial restore has proven.
    Proven,
    /// It may be that one: it has too many receipts to know.
    PerhapsProven,
    /// It was made just now, by the run that prunes.
    New,
    /// Fewer whole ones than the least would stay.
    MinKeep,
    /// The newest whole one is too old, or missing: the backup job may be dead.
    Stale,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(period) => period.fmt(f),
            Self::Oldest(period) => write!(f, "oldest {period}"),
            Self::Within => f.write_str("within"),
            Self::Newest => f.write_str("newest"),
            Self::Proven => f.write_str("proven"),
            Self::PerhapsProven => f.write_str("perhaps proven"),
            Self::New => f.write_str("new"),
            Self::MinKeep => f.write_str("min-keep"),
            Self::Stale => f.write_str("stale"),
        }
    }
}
