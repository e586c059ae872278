//! What the rules allow, as data. Whoever moves a module changes a line here, and the table in ARCHITECTURE.md
//! with it.

/// The ground floor: every room may import these, and they import only one another.
pub const GROUND: [&str; 7] = ["error", "layout", "sha256", "sql", "temporary", "text", "units"];

/// The rooms in a room, from the ground up: each may see only those before it.
pub const FLOORS: [(&str, &[&str]); 1] = [("stored", &["format", "find", "read", "write"])];

/// Every other room, from the ground up, and which rooms it may import besides the ground floor and itself.
pub const ROOMS: [(&str, &[&str]); 42] = [
    // Bytes, databases and stores know nothing of each other, and meet further up.
    ("archive", &[]),
    ("web", &[]),
    ("neon", &["web"]),
    ("pipeline", &[]),
    ("postgres", &[]),
    ("script", &[]),
    ("store", &["web"]),
    // What a run is to the engine.
    ("command", &[]),
    ("failures", &[]),
    ("progress", &[]),
    ("signal", &[]),
    ("run", &["progress", "signal"]),
    // What a run did, for those who were not there.
    ("record", &[]),
    ("actions", &["record"]),
    ("monitoring", &["progress", "record", "run", "web"]),
    // A backup in a store: knows no database.
    ("stored", &["archive", "pipeline", "progress", "run", "store"]),
    ("fetch", &["archive", "postgres", "run", "stored"]),
    ("copy", &["failures", "pipeline", "progress", "run", "store", "stored"]),
    // Which backups are kept: knows no store.
    ("retention", &[]),
    ("prune", &["failures", "retention", "run", "store", "stored"]),
    ("status", &["run", "store", "stored"]),
    ("overview", &["prune", "retention", "run", "stored"]),
    // Runs command lines: knows not what they do.
    ("schedule", &["run"]),
    ("readers", &["failures", "pipeline", "run", "stored"]),
    ("rekey", &["failures", "pipeline", "progress", "run", "store", "stored"]),
    // Between a database and a backup.
    ("consistent", &["archive", "postgres"]),
    ("parallel", &["archive", "consistent", "postgres", "run"]),
    ("branch", &["neon", "postgres", "run"]),
    (
        "dump",
        &[
            "archive",
            "branch",
            "command",
            "consistent",
            "failures",
            "parallel",
            "pipeline",
            "postgres",
            "run",
            "script",
            "store",
            "stored",
        ],
    ),
    ("proof", &["archive", "consistent", "postgres", "progress", "run", "stored"]),
    (
        "restore",
        &[
            "archive",
            "branch",
            "command",
            "consistent",
            "neon",
            "parallel",
            "pipeline",
            "postgres",
            "progress",
            "proof",
            "run",
            "script",
            "stored",
        ],
    ),
    ("rehearsal", &["archive", "pipeline", "postgres", "proof", "restore", "run", "script", "stored"]),
    ("verify", &["failures", "rehearsal", "run", "store", "stored"]),
    ("doctor", &["branch", "consistent", "dump", "pipeline", "postgres", "run", "store", "stored"]),
    // A key on paper.
    ("paper", &[]),
    // What people type, and what they get.
    ("version", &[]),
    ("cli", &["version"]),
    (
        "settings",
        &[
            "actions",
            "archive",
            "branch",
            "cli",
            "command",
            "copy",
            "doctor",
            "dump",
            "fetch",
            "monitoring",
            "neon",
            "overview",
            "parallel",
            "pipeline",
            "postgres",
            "proof",
            "prune",
            "readers",
            "record",
            "rehearsal",
            "rekey",
            "restore",
            "retention",
            "schedule",
            "status",
            "store",
            "stored",
            "verify",
            "web",
        ],
    ),
    (
        "answers",
        &[
            "copy",
            "doctor",
            "dump",
            "fetch",
            "neon",
            "overview",
            "proof",
            "prune",
            "readers",
            "record",
            "rehearsal",
            "rekey",
            "restore",
            "status",
            "stored",
            "verify",
            "version",
        ],
    ),
    ("report", &["actions", "answers", "progress", "record", "run"]),
    // Verbs: settings → engine → answer.
    (
        "commands",
        &[
            "answers", "cli", "copy", "doctor", "dump", "failures", "fetch", "overview", "paper", "pipeline",
            "prune", "readers", "rekey", "report", "restore", "run", "schedule", "settings", "status",
            "stored", "verify", "version",
        ],
    ),
    (
        "lib",
        &[
            "cli",
            "commands",
            "monitoring",
            "pipeline",
            "postgres",
            "record",
            "report",
            "run",
            "settings",
            "signal",
        ],
    ),
];

/// The longest function, in lines.
pub const FUNCTION: usize = 70;
/// The longest file without its test modules, in lines.
pub const CODE: usize = 450;
/// The longest file, in lines.
pub const FILE: usize = 600;
/// The longest verb: settings, engine, answer.
pub const VERB: usize = 100;

/// Public items that nobody in `src/`, `benches/` or `fuzz/` names, and why they are there.
pub const NAMED_ELSEWHERE: [(&str, &str); 1] = [("serialize", "serde calls it by the name of its module")];

/// Files that may read stdin, or write to stdout or stderr, themselves, and why.
pub const STREAMS: [(&str, &str); 3] = [
    ("src/dump/command.rs", "with --stdin the backup is what comes on stdin"),
    ("src/fetch/output.rs", "with -o - the dump goes to stdout"),
    ("src/restore/command.rs", "with --json the command after -- prints to stderr"),
];

/// A word or phrase that people should not have to read.
pub struct Banned {
    pub phrase: &'static str,
    pub say: &'static str,
    /// Phrases with the word that are fine.
    pub but: &'static [&'static str],
}

const fn say(phrase: &'static str, say: &'static str) -> Banned {
    Banned { phrase, say, but: &[] }
}

const fn say_but(phrase: &'static str, say: &'static str, but: &'static [&'static str]) -> Banned {
    Banned { phrase, say, but }
}

/// Not in any text that people read: messages, help, docs, comments.
pub const BANNED: [Banned; 24] = [
    say("ere", "before"),
    say("lest", "so that … not"),
    say("shall", "will, must"),
    say("whereby", "by which"),
    say("wherein", "in which"),
    say("thereby", "this way"),
    say("thereof", "of it"),
    say("of which", "which, whose"),
    say("of whom", "who, whose"),
    say("beside", "next to"),
    say_but(
        "behind",
        "after, next to, underlying",
        &["left behind", "nothing behind", "behind.", "behind a ", "behind the ", "behind row-level"],
    ),
    say_but("told", "reported, said", &["told to", "told apart"]),
    say("many hands", "workers"),
    say("several hands", "several workers"),
    say("so many", "that many, too many"),
    say("so much", "that much, too much"),
    say("for nobody", "for no one"),
    say("goes on when", "continues when"),
    say("in the place of", "instead of"),
    say("is well", "is available"),
    say("are well", "are available"),
    say("does not hold", "is invalid"),
    say("much is gone", "far fewer rows"),
    say("before your eyes", "in front of you"),
];

/// Not in what the program prints or the docs say; in a comment it may be a place.
pub const BANNED_IN_PRINT: [Banned; 1] = [say_but(
    "where",
    "if, when, which",
    &[
        "from where",
        "know where",
        "knows where",
        "say where",
        "says where",
        "where to",
        "where it is",
        "where they are",
    ],
)];
