//! What happened on PostgreSQL's side, decided from what its programs say.
//!
//! From the SQLSTATE if psql printed one, which is the same in every language; else from the message, which
//! is in English: the programs run with `LC_ALL=C`, and servers are asked for it where the role may.

use super::message::{Message, PartKind};
use super::severity::Level;

/// What happened on PostgreSQL's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "each is named after what happened; the words that tell it are in the table below"
)]
pub enum Situation {
    // Connecting; `NotConnected` is the last of these.
    HostUnknown,
    NothingListens,
    NoSocket,
    NoAnswer,
    NotReady,
    TooManyConnections,
    ConnectionLimit,
    TlsRefused,
    /// The client was built without it.
    TlsUnknown,
    NotAdmitted,
    RootCertificateMissing,
    CertificateRefused,
    /// The certificate is for another host.
    CertificateMismatch,
    /// The client's certificate is missing, cannot be used, or is refused by the server.
    ClientCertificateRefused,
    PasswordMissing,
    PasswordWrong,
    LoginRoleMissing,
    DatabaseMissing,
    /// The role may not connect to this database.
    ConnectDenied,
    PoolerRefused,
    ConnectionOptionUnknown,
    /// Any other reason.
    NotConnected,
    // The session.
    SessionLost,
    SessionTerminated,
    // Resources.
    OutOfSpace,
    OutOfMemory,
    OutOfLocks,
    /// The program was killed by this signal.
    Killed(i32),
    /// A signal asked the program to end, and it did.
    Stopped,
    // Rights.
    PermissionDenied,
    LargeObjectDenied,
    NotMember,
    NotOwner,
    /// The role that has logged in may not become another.
    RoleDenied,
    ExtensionOwned,
    ExtensionDenied,
    PublicationDenied,
    EventTriggerDenied,
    RowSecurity,
    ReadOnly,
    // What is not there.
    RoleMissing,
    ExtensionMissing,
    LibraryMissing,
    ExtensionElsewhere,
    TablespaceMissing,
    LocaleMissing,
    ObjectMissing,
    /// Something that a function uses.
    ObjectMissingInFunction,
    /// What was there a moment before.
    ObjectVanished,
    /// A materialized view that has not been filled yet.
    NotPopulated,
    // What is there already.
    DatabaseExists,
    ObjectExists,
    // The data.
    ConstraintViolated(Constraint),
    EncodingCannotHold,
    EncodingInvalid,
    /// How money is written depends on the server's lc_monetary, which no dump says.
    MoneyInvalid,
    /// A value is more text than the server can make of it.
    ValueTooLarge,
    // Others at work.
    DatabaseInUse,
    HasSubscriptions,
    LockTimeout,
    StatementTimeout,
    Cancelled,
    StandbyConflict,
    Deadlock,
    /// What cannot be done in a transaction.
    InTransaction,
    /// The server, or a pooler before it, does not let one session use the snapshot of another.
    SnapshotRefused,
    /// The server would share a snapshot, and a wrong one.
    SnapshotBroken,
    // The programs and what they are given.
    SyntaxError,
    ClientTooOld,
    ArchiveTooNew,
    TargetTooOld,
    RestrictUnknown,
    OptionUnknown,
    /// What the program writes cannot be written.
    OutputUnwritable,
    /// It needs a library that the server was built without.
    NotBuiltWith,
    /// The index of a partition cannot become part of one of the whole table.
    NotAttached,
    /// The system's user has no name, without which no server runs.
    UserUnnamed,
}

/// A kind of constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are SQL's own words")]
pub enum Constraint {
    NotNull,
    ForeignKey,
    Unique,
    Check,
    Exclusion,
}

use Situation as S;

impl Situation {
    /// The situation in which these messages leave; `None` if they are not known.
    pub fn of(messages: &[Message]) -> Option<Self> {
        let errors = || messages.iter().filter(|message| message.level == Level::Error);
        // Some complain without a word for it.
        errors().find_map(Self::of_one).or_else(|| messages.iter().rev().find_map(Self::of_one))
    }

    fn of_one(message: &Message) -> Option<Self> {
        // The server calls this "out of memory".
        if says(message, "Cannot enlarge string buffer") {
            return Some(S::ValueTooLarge);
        }
        if says(message, "requires the server to be built with") {
            return Some(S::NotBuiltWith);
        }
        // What the server says may be anything: a function of the database raises it.
        let is_of_server = message.sqlstate.is_some() || message.text.contains("ERROR:");
        let found = || by_text(&message.text).filter(|found| !(is_of_server && *found == S::Stopped));
        let by_text = || found().map(|situation| within_function(situation, message));
        match message.sqlstate.as_deref() {
            Some(code) => by_sqlstate(code, message).or_else(by_text),
            None => by_text(),
        }
    }

    /// Whether no session came about: then nothing of a database's content was seen.
    pub fn is_about_connecting(self) -> bool {
        self <= S::NotConnected
    }

    /// Whether nothing of a server was heard that lives.
    pub fn is_unreachable(self) -> bool {
        let is_full = matches!(self, S::TooManyConnections | S::ConnectionLimit);
        self == S::HostUnknown || (self.may_pass() && !is_full)
    }

    /// Whether the same may work a moment later: the session was lost, or the server could not be reached.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            S::SessionLost
                | S::SessionTerminated
                | S::NotReady
                | S::NothingListens
                | S::NoSocket
                | S::NoAnswer
                | S::TooManyConnections
                | S::ConnectionLimit
                | S::NotConnected
        )
    }

    /// Whether another database of the same server would be no better; a password file may know one of them only.
    pub fn is_of_server(self) -> bool {
        matches!(
            self,
            S::HostUnknown
                | S::NothingListens
                | S::NoSocket
                | S::NoAnswer
                | S::NotReady
                | S::TlsRefused
                | S::TlsUnknown
                | S::RootCertificateMissing
                | S::CertificateRefused
                | S::CertificateMismatch
                | S::ClientCertificateRefused
                | S::PasswordWrong
                | S::LoginRoleMissing
                | S::PoolerRefused
                | S::ConnectionOptionUnknown
        )
    }

    /// Whether it is due to the machine or the server that restores, and not to what is restored.
    pub fn is_of_machine(self) -> bool {
        self.may_pass()
            || self.is_of_server()
            || matches!(
                self,
                S::PasswordMissing
                    | S::OutOfSpace
                    | S::OutOfMemory
                    | S::OutOfLocks
                    | S::Killed(_)
                    | S::Stopped
                    | S::Cancelled
                    | S::RoleMissing
                    | S::NotMember
                    | S::NotOwner
                    | S::ExtensionMissing
                    | S::LibraryMissing
                    | S::ExtensionElsewhere
                    | S::LocaleMissing
                    | S::NotBuiltWith
            )
    }
}

/// The server's functions that share snapshots between sessions, as it names them where an error was raised.
const SNAPSHOTS: [&str; 2] = ["ExportSnapshot", "ImportSnapshot"];

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn by_sqlstate(code: &str, message: &Message) -> Option<Situation> {
    let text = || by_text(&message.text);
    let situation = match code {
        "08000" | "08003" | "08006" => S::SessionLost,
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "25P04" => S::SessionTerminated,
        "57P03" => S::NotReady,
        "53100" => S::OutOfSpace,
        // The parameter's name is the same in every language.
        "53200" if says(message, "max_locks_per_transaction") => S::OutOfLocks,
        "53200" => text().unwrap_or(S::OutOfMemory),
        "53300" => text().unwrap_or(S::TooManyConnections),
        "42501" => text().unwrap_or(S::PermissionDenied),
        "28P01" => S::PasswordWrong,
        "3D000" => S::DatabaseMissing,
        "42P04" => S::DatabaseExists,
        "42P06" | "42P07" | "42701" | "42710" | "42723" => S::ObjectExists,
        _ if SNAPSHOTS.iter().any(|function| is_raised_by(message, function)) => S::SnapshotRefused,
        "42704" if is_raised_by(message, "get_role") => S::RoleMissing,
        "42704" if is_raised_by(message, "get_tablespace") => S::TablespaceMissing,
        "42704" | "42883" | "42P01" | "42703" | "3F000" => text().unwrap_or(S::ObjectMissing),
        "23502" => S::ConstraintViolated(Constraint::NotNull),
        "23503" => S::ConstraintViolated(Constraint::ForeignKey),
        "23505" => S::ConstraintViolated(Constraint::Unique),
        "23514" => S::ConstraintViolated(Constraint::Check),
        "23P01" => S::ConstraintViolated(Constraint::Exclusion),
        "22P05" => S::EncodingCannotHold,
        "22021" => S::EncodingInvalid,
        "25001" => S::InTransaction,
        "25006" => S::ReadOnly,
        "55006" => text().unwrap_or(S::DatabaseInUse),
        "55P03" => S::LockTimeout,
        "57014" => text().unwrap_or(S::Cancelled),
        "40P01" => S::Deadlock,
        "42601" => S::SyntaxError,
        _ => return None,
    };
    Some(within_function(situation, message))
}

/// In what a function uses and does not find, its search path is to blame.
fn within_function(situation: Situation, message: &Message) -> Situation {
    match situation {
        S::ObjectMissing if message.part(PartKind::Query).is_some() => S::ObjectMissingInFunction,
        _ => situation,
    }
}

fn says(message: &Message, word: &str) -> bool {
    message.text.contains(word) || message.parts.iter().any(|part| part.text.contains(word))
}

/// Whether the function of the server that raised the error is named so.
fn is_raised_by(message: &Message, function: &str) -> bool {
    message.part(PartKind::Location).is_some_and(|location| location.starts_with(function))
}

/// The first row whose words all occur decides; more specific rows stand above more general ones.
fn by_text(text: &str) -> Option<Situation> {
    let found = TABLE.iter().find(|(words, _)| words.iter().all(|word| text.contains(word)));
    found.map(|(_, situation)| *situation)
}

/// Words in a message → situation.
const TABLE: &[(&[&str], Situation)] = &[
    // Before "No space left", because it names the disk.
    (&["could not write to output file"], S::OutputUnwritable),
    (&["could not close output file"], S::OutputUnwritable),
    // Connecting.
    (&["unsupported startup parameter"], S::PoolerRefused),
    (&["transaction blocks not allowed in statement pooling mode"], S::PoolerRefused),
    (&["no password supplied"], S::PasswordMissing),
    (&["password authentication failed"], S::PasswordWrong),
    (&["no pg_hba.conf entry"], S::NotAdmitted),
    (&["pg_hba.conf rejects connection"], S::NotAdmitted),
    (&["server does not support SSL"], S::TlsRefused),
    (&["SSL support is not compiled in"], S::TlsUnknown),
    (&["root certificate file", "does not exist"], S::RootCertificateMissing),
    (&["locate root certificate file"], S::RootCertificateMissing),
    (&["could not read root certificate file"], S::RootCertificateMissing),
    (&["certificate verify failed"], S::CertificateRefused),
    (&["server certificate for", "does not match host name"], S::CertificateMismatch),
    (&["requires a valid client certificate"], S::ClientCertificateRefused),
    (&["certificate authentication failed"], S::ClientCertificateRefused),
    (&["not private key file"], S::ClientCertificateRefused),
    (&["private key file", "has group or world access"], S::ClientCertificateRefused),
    (&["could not load private key file"], S::ClientCertificateRefused),
    (&["could not read certificate file"], S::ClientCertificateRefused),
    // The server's own word for what it does not like about the client's certificate.
    (&["SSL error:", "alert unknown ca"], S::ClientCertificateRefused),
    (&["SSL error:", "alert", "certificate"], S::ClientCertificateRefused),
    (&["could not translate host name"], S::HostUnknown),
    (&["too many clients already"], S::TooManyConnections),
    (&["remaining connection slots are reserved"], S::TooManyConnections),
    (&["too many connections for"], S::ConnectionLimit),
    (&["the database system is starting up"], S::NotReady),
    (&["the database system is not yet accepting connections"], S::NotReady),
    (&["the database system is in recovery mode"], S::NotReady),
    (&["the database system is shutting down"], S::NotReady),
    // Neon, while it wakes a compute.
    (&["Couldn't connect to compute node"], S::NotReady),
    (&["Control plane request failed"], S::NotReady),
    (&["timeout expired"], S::NoAnswer),
    (&["Connection timed out"], S::NoAnswer),
    // PostgreSQL 13 and older say it in other words.
    (&["connections on Unix domain socket"], S::NoSocket),
    (&["accepting connections on that socket"], S::NoSocket),
    (&["Connection refused"], S::NothingListens),
    (&["invalid connection option"], S::ConnectionOptionUnknown),
    (&["FATAL:", "role \"", "does not exist"], S::LoginRoleMissing),
    (&["FATAL:", "database \"", "does not exist"], S::DatabaseMissing),
    (&["FATAL:", "permission denied for database"], S::ConnectDenied),
    // Disk, memory, locks.
    (&["No space left on device"], S::OutOfSpace),
    (&["Disk quota exceeded"], S::OutOfSpace),
    (&["could not extend file"], S::OutOfSpace),
    (&["invalid memory alloc request size"], S::ValueTooLarge),
    (&["string buffer exceeds maximum allowed length"], S::ValueTooLarge),
    (&["out of shared memory"], S::OutOfLocks),
    (&["out of memory"], S::OutOfMemory),
    // The session.
    (&["terminating connection due to administrator command"], S::SessionTerminated),
    (&["terminating connection due to conflict with recovery"], S::StandbyConflict),
    (&["terminating connection"], S::SessionTerminated),
    (&["server closed the connection unexpectedly"], S::SessionLost),
    (&["connection to server was lost"], S::SessionLost),
    (&["could not receive data from server"], S::SessionLost),
    (&["could not send data to server"], S::SessionLost),
    (&["SSL SYSCALL error"], S::SessionLost),
    (&["no connection to the server"], S::SessionLost),
    (&["connection to server", "failed"], S::NotConnected),
    (&["could not connect to server"], S::NotConnected),
    // Dumping.
    (&["row-level security policy"], S::RowSecurity),
    (&["pg_export_snapshot"], S::SnapshotRefused),
    (&["invalid snapshot identifier"], S::SnapshotRefused),
    (&["snapshot \"", "does not exist"], S::SnapshotRefused),
    (&["could not import the requested snapshot"], S::SnapshotRefused),
    (&["cannot import a snapshot"], S::SnapshotRefused),
    (&["cannot export a snapshot"], S::SnapshotRefused),
    (&["due to statement timeout"], S::StatementTimeout),
    (&["due to lock timeout"], S::LockTimeout),
    (&["conflict with recovery"], S::StandbyConflict),
    (&["deadlock detected"], S::Deadlock),
    (&["cannot run inside a transaction block"], S::InTransaction),
    (&["server version mismatch"], S::ClientTooOld),
    (&["unrecognized option"], S::OptionUnknown),
    (&["invalid option --"], S::OptionUnknown),
    (&["could not open relation with OID"], S::ObjectVanished),
    (&["cache lookup failed for"], S::ObjectVanished),
    // Restoring.
    (&["invalid command \\restrict"], S::RestrictUnknown),
    (&["unrecognized configuration parameter", "transaction_timeout"], S::TargetTooOld),
    (&["unsupported version ("], S::ArchiveTooNew),
    (&["must be able to SET ROLE"], S::NotMember),
    (&["must be member of role"], S::NotMember),
    (&["permission denied to set role"], S::RoleDenied),
    (&["must be owner of extension"], S::ExtensionOwned),
    (&["must be owner of"], S::NotOwner),
    (&["must be superuser to create FOR ALL TABLES publication"], S::PublicationDenied),
    (&["permission denied to create event trigger"], S::EventTriggerDenied),
    (&["permission denied to create extension"], S::ExtensionDenied),
    // Azure.
    (&["extension", "is not allow-listed"], S::ExtensionDenied),
    (&["can only create extension in database"], S::ExtensionElsewhere),
    (&["role \"", "does not exist"], S::RoleMissing),
    (&["tablespace \"", "does not exist"], S::TablespaceMissing),
    (&["extension control file"], S::ExtensionMissing),
    (&["extension \"", "is not available"], S::ExtensionMissing),
    (&["could not load library"], S::LibraryMissing),
    (&["could not access file"], S::LibraryMissing),
    (&["must be loaded via"], S::LibraryMissing),
    (&["extension", "must be preloaded"], S::LibraryMissing),
    (&["invalid locale name"], S::LocaleMissing),
    (&["invalid LC_COLLATE"], S::LocaleMissing),
    (&["invalid LC_CTYPE"], S::LocaleMissing),
    (&["ICU is not supported"], S::LocaleMissing),
    (&["could not open collator"], S::LocaleMissing),
    (&["materialized view \"", "has not been populated"], S::NotPopulated),
    (&["invalid input syntax for type money"], S::MoneyInvalid),
    (&["has no equivalent in encoding"], S::EncodingCannotHold),
    (&["invalid byte sequence for encoding"], S::EncodingInvalid),
    (&["violates not-null constraint"], S::ConstraintViolated(Constraint::NotNull)),
    (&["violates foreign key constraint"], S::ConstraintViolated(Constraint::ForeignKey)),
    (&["violates unique constraint"], S::ConstraintViolated(Constraint::Unique)),
    (&["could not create unique index"], S::ConstraintViolated(Constraint::Unique)),
    (&["violates check constraint"], S::ConstraintViolated(Constraint::Check)),
    (&["is violated by some row"], S::ConstraintViolated(Constraint::Check)),
    (&["violates exclusion constraint"], S::ConstraintViolated(Constraint::Exclusion)),
    (&["could not create exclusion constraint"], S::ConstraintViolated(Constraint::Exclusion)),
    (&["in a read-only transaction"], S::ReadOnly),
    (&["is being accessed by other users"], S::DatabaseInUse),
    (&["is being used by logical replication subscription"], S::HasSubscriptions),
    (&["database \"", "already exists"], S::DatabaseExists),
    (&["already exists"], S::ObjectExists),
    (&["cannot attach index"], S::NotAttached),
    (&["syntax error"], S::SyntaxError),
    // As pg_dump up to 17 writes them, and no server from 18 on takes them.
    (&["partitioned tables cannot be unlogged"], S::SyntaxError),
    (&["ERROR:", "does not exist"], S::ObjectMissing),
    (&["permission denied for large object"], S::LargeObjectDenied),
    (&["permission denied"], S::PermissionDenied),
    (&["could not look up effective user ID"], S::UserUnnamed),
    // What pg_dump and pg_restore say of SIGTERM, SIGINT and SIGQUIT before they exit by themselves.
    (&["terminated by user"], S::Stopped),
];
