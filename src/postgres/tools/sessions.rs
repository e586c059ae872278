//! What sessions of ours set for themselves, whatever the role, the database or the server say.
//!
//! A role that loads a backup may be set up for an application: to give up after a second, to read only, to
//! take an unquoted NULL in an array for a word. None of that is meant for us. Only settings that the server
//! knows are set, and only where they are not so already. Nothing here is for a user's own script, except that
//! it may write and take its time.

/// SQL that sets these, each a name in small letters and a value; `$begin` is what runs the question.
///
/// The database's owner has decided on the search path: even operators are named with their schema, or others'
/// would run with our rights.
macro_rules! set {
    ($begin:literal, $wanted:expr, $end:expr) => {
        concat!(
            $begin,
            " pg_catalog.count(pg_catalog.set_config(s.name, w.value, false)) \
             FROM pg_catalog.pg_settings s JOIN (VALUES ",
            $wanted,
            ") w(name, value) ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) w.name \
             WHERE s.setting OPERATOR(pg_catalog.<>) w.value \
             AND (s.context OPERATOR(pg_catalog.=) 'user' \
             OR pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on')",
            $end
        )
    };
}

/// Nothing is given up for the time it takes, and everything may be written.
macro_rules! patient {
    () => {
        "('statement_timeout', '0'), ('lock_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), \
         ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('default_transaction_read_only', 'off')"
    };
}

/// Ends such a question so that it answers nothing. A block of statements would do too, but not every role may use PL/pgSQL,
/// and not every database has it.
macro_rules! no_row {
    () => {
        " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.<) 0"
    };
}

/// Text is UTF-8, a literal means what [`literal`](crate::postgres::sql) says, and names mean the system's own. Names in
/// answers are quoted only if they must be, and numbers have all their digits.
macro_rules! asking {
    ($begin:literal) => {
        set!(
            $begin,
            patient!(),
            concat!(no_row!(), "; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET search_path = pg_catalog; \
             SET quote_all_identifiers = off; SET extra_float_digits = 3")
        )
    };
}

/// For `psql`, before all else, in one message: over a slow connection each costs as much as a question.
///
/// The first timeout is ended at once: the rest needs more time than the shortest.
pub const ASKING: &str = asking!("SET statement_timeout = 0; SELECT");

/// The same in a transaction that it begins.
pub const ASKING_ONCE: &str =
    asking!("BEGIN ISOLATION LEVEL READ COMMITTED; SET statement_timeout = 0; SELECT");

/// Nothing at all.
pub const BARE: &str = "";

/// For a session without a transaction that holds something, and does nothing for hours.
pub const LASTING: &str = set!("SELECT", "('idle_session_timeout', '0')", ";");

/// For a transaction that has begun already, as its first statement.
pub const PATIENT_TRANSACTION: &str = set!("SET TRANSACTION READ WRITE; SELECT", patient!(), "");

/// For a session that does nothing but hold something: a transaction that stays open. It has no snapshot after this, whatever
/// the role's own isolation, so that it keeps no dead row from being removed.
pub const HOLDING: &str =
    set!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT", patient!(), concat!(no_row!(), ";"));

/// What `pg_dump`'s text means: what it does not set itself, and what it expects not to be set.
macro_rules! loading {
    () => {
        concat!(
            patient!(),
            ", ('array_nulls', 'on'), ('transform_null_equals', 'off'), ('datestyle', 'ISO'), \
             ('intervalstyle', 'postgres'), ('xmloption', 'content'), ('default_with_oids', 'off'), \
             ('backslash_quote', 'safe_encoding'), ('default_transaction_isolation', 'read committed'), \
             ('default_transaction_deferrable', 'off'), ('restrict_nonsystem_relation_kind', '')"
        )
    };
}

/// For a transaction that may have begun already, before its first question.
pub const WRITING: &str = "SET transaction_read_only = off;\n";

/// For a session that loads what `pg_dump` wrote.
pub const LOADING: &str = set!("SELECT", loading!(), "");

/// The same in a transaction that has begun already, as its first statement.
pub const LOADING_TRANSACTION: &str = set!("SET TRANSACTION READ WRITE; SELECT", loading!(), "");

/// For a session in which event triggers are not to fire. It begins with that setting, since some fire at login.
pub const WITHOUT_EVENT_TRIGGERS: (&str, &str) = ("event_triggers", "off");
/// The same from this statement on, for a superuser of any major.
pub const TRIGGERS_OFF: &str = "DO $$ BEGIN IF current_setting('is_superuser') = 'on' THEN
  PERFORM set_config('session_replication_role', 'replica', false);
END IF; END $$;";
/// Since this major a superuser may say so.
pub const KNOWS_EVENT_TRIGGERS_OFF: u32 = 17;
