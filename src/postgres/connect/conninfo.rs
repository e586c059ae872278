//! Which database is meant: what the user typed, as libpq's keywords and values.
//!
//! A URL, a keyword string, a bare database name or nothing at all: each means what it means to
//! `psql`. Passwords are split off and travel in the child's environment; everything else goes to
//! `--dbname=` as a keyword string. Defaults, services and `.pgpass` stay libpq's business: nothing
//! here fills them in, and nothing here connects.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};

use super::password::{Asked, PasswordCommand};
use super::{alive, parse, pooler};
use crate::postgres::process::{Program, Secret, User};
use crate::postgres::sql::LONGEST_NAME;
use crate::text::shell_word;

/// A connection someone asked for, without its secrets in anything printable.
///
/// `Display` gives the keyword string without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnInfo {
    pairs: Vec<(String, String)>,
    password: Option<Secret>,
    password_command: Option<PasswordCommand>,
    inherited: Inherited,
    /// What the environment says about this server.
    environment: Heeded,
    /// Whether a pooler may be in between.
    pooled: bool,
    /// Who runs the programs that connect, if that is not whoever runs this.
    run_by: Option<User>,
}

/// How much of the environment counts for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heeded {
    /// All of it.
    All,
    /// All but where a server is, and as whom it is entered.
    AllButAddress,
    /// Nothing.
    Nothing,
}

/// What the process's own environment says; the children inherit it and libpq uses it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Inherited {
    host: Option<String>,
    port: Option<String>,
    database: Option<String>,
    options: Option<String>,
    password: Option<Secret>,
    connect_timeout: bool,
    application_name: Option<String>,
    service: bool,
}

/// How sessions call themselves unless the user says otherwise.
const OUR_NAME: &str = "pgstow";

/// Seconds one connection attempt may take, unless the user says otherwise: a suspended server
/// that is woken by the connection needs more than the usual moment.
const CONNECT_TIMEOUT: &str = "15";

/// Three minutes until a peer that says nothing is given up, five until bytes that it does not acknowledge are: a
/// server that is only busy acknowledges them.
const ALIVE: [(&str, &str); 4] = [
    ("keepalives_idle", "60"),
    ("keepalives_interval", "15"),
    ("keepalives_count", "8"),
    (TCP_USER_TIMEOUT, "300000"),
];
const TCP_USER_TIMEOUT: &str = "tcp_user_timeout";

/// Variables that say where a server is, as whom it is entered, and with what.
const ADDRESS: [&str; 11] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGDATABASE",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGOPTIONS",
    "PGTARGETSESSIONATTRS",
];

impl ConnInfo {
    /// Understands what the user typed; `lookup` answers for the environment (`PGHOST`, …).
    ///
    /// An empty `text` means: whatever the environment says. Fails with `Kind::Usage`, and never
    /// repeats a value that might be a secret.
    pub fn parse(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let inherited = Inherited {
            host: lookup("PGHOST"),
            port: lookup("PGPORT"),
            database: lookup("PGDATABASE"),
            options: lookup("PGOPTIONS"),
            password: lookup("PGPASSWORD").map(Secret::new),
            connect_timeout: lookup("PGCONNECT_TIMEOUT").is_some(),
            application_name: lookup("PGAPPNAME"),
            service: lookup("PGSERVICE").is_some(),
        };
        let (pairs, password, password_command) = (Vec::new(), None, None);
        let (environment, pooled, run_by) = (Heeded::All, false, None);
        let mut info = Self { pairs, password, password_command, inherited, environment, pooled, run_by };
        for (keyword, value) in parse::keywords_and_values(text)? {
            info.accept(keyword, value)?;
        }
        Ok(info)
    }

    fn accept(&mut self, keyword: String, value: String) -> Result<()> {
        match parse::judge(&keyword)? {
            parse::Keyword::Password => self.password = Some(Secret::new(value)),
            parse::Keyword::Plain => self.set(keyword, value),
        }
        Ok(())
    }

    fn set(&mut self, keyword: String, value: String) {
        match self.pairs.iter_mut().find(|(known, _)| *known == keyword) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((keyword, value)),
        }
    }

    /// The value the user typed for one of libpq's keywords; passwords are not among them.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == keyword).map(|(_, value)| value.as_str())
    }

    /// The password that was typed.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The database's name as typed, else as `PGDATABASE` says it; libpq may still know another.
    pub fn database(&self) -> Option<&str> {
        self.get("dbname").filter(|name| !name.is_empty()).or(self.inherited.database.as_deref())
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_dbname(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.set("dbname".into(), name.into());
        other
    }

    /// The same, with options that are typed, and none: those of a service or in `PGOPTIONS` do not count.
    #[must_use]
    pub fn without_options(&self) -> Self {
        let mut other = self.clone();
        other.set("options".into(), String::new());
        other
    }

    /// The same, with a setting for all its sessions besides what the user has typed, or `PGOPTIONS` says; whatever the
    /// role or the database says.
    ///
    /// It goes to libpq the way the user's own options go. In particular, options of a service stay in force, and it does
    /// not count if there are some: they come before `PGOPTIONS`, and what is typed comes before both.
    #[must_use]
    pub fn with_setting(&self, name: &str, value: &str) -> Self {
        let typed = self.get("options");
        let theirs = typed.or(self.inherited.options.as_deref()).unwrap_or_default();
        let mut all = format!("{theirs} -c {name}=");
        for c in value.chars() {
            // What follows a space would be another option.
            if c == '\\' || c.is_whitespace() {
                all.push('\\');
            }
            all.push(c);
        }
        let all = all.trim_start().to_owned();
        let mut other = self.clone();
        match typed {
            Some(_) => other.set("options".into(), all),
            None => other.inherited.options = Some(all),
        }
        other
    }

    /// A server of our own, behind a socket in `folder`; no variable of the environment applies to it.
    ///
    /// It holds what somebody else wrote, so it is connected to by programs of whoever runs it.
    pub fn of_socket(folder: &str, user: &str, database: &str, run_by: Option<User>) -> Self {
        let pairs = [("host", folder), ("port", "5432"), ("user", user), ("dbname", database)];
        let pairs = pairs.map(|(keyword, value)| (keyword.to_owned(), value.to_owned()));
        let (password, password_command, inherited) = (None, None, Inherited::default());
        let (environment, pooled) = (Heeded::Nothing, false);
        Self { pairs: pairs.into(), password, password_command, inherited, environment, pooled, run_by }
    }

    /// Understands the address that a service has given of one of its servers: it is complete, whatever the environment says of
    /// others.
    ///
    /// # Errors
    /// Those of [`Self::parse`].
    pub fn of_service(address: &str) -> Result<Self> {
        let mut info = Self { environment: Heeded::AllButAddress, ..Self::parse(address, |_| None)? };
        if info.get("port").is_none() {
            info.set("port".into(), "5432".into());
        }
        Ok(info)
    }

    /// The same, with a command that every child's password is asked for; one in the connection itself comes first.
    #[must_use]
    pub fn with_password_command(&self, command: Option<PasswordCommand>) -> Self {
        Self { password_command: command, ..self.clone() }
    }

    /// The same, perhaps through a pooler, which may hide which sessions are ours.
    #[must_use]
    pub fn perhaps_pooled(&self) -> Self {
        Self { pooled: true, ..self.clone() }
    }

    /// The keyword string for `--dbname=`, without secrets; empty when nothing was typed.
    pub fn to_keywords(&self) -> String {
        let pairs: Vec<String> = self.pairs.iter().map(|(keyword, value)| quoted(keyword, value)).collect();
        pairs.join(" ")
    }

    /// The same as one word of a shell's, for a command that somebody is to copy; without secrets.
    pub fn as_shell_word(&self) -> String {
        let plain = |value: &str| {
            let safe = |c: char| c.is_ascii_alphanumeric() || "._-/:,@%+~".contains(c);
            !value.is_empty() && value.chars().all(safe)
        };
        let pair = |(keyword, value): &(String, String)| {
            if plain(value) { format!("{keyword}={value}") } else { quoted(keyword, value) }
        };
        let keywords = self.pairs.iter().map(pair).collect::<Vec<_>>().join(" ");
        shell_word(&keywords)
    }

    /// Refuses a connection pooler, as far as host and port tell.
    pub fn refuse_pooler(&self) -> Result<()> {
        let host = self.get("host").or(self.inherited.host.as_deref()).unwrap_or_default();
        let port = self.get("port").or(self.inherited.port.as_deref()).unwrap_or_default();
        pooler::refuse(host, port)
    }

    /// The same, with a limit to how long a dead connection is waited for, unless the user or a service says one.
    fn alive(&self) -> Self {
        let mut other = self.clone();
        if self.get("service").is_none() && !self.inherited.service {
            let absent = |(keyword, _): &&(&str, &str)| self.get(keyword).is_none();
            ALIVE
                .iter()
                .filter(absent)
                .for_each(|(keyword, value)| other.set((*keyword).into(), (*value).into()));
        }
        other
    }

    /// The name by which the server's list of sessions shows this connection.
    pub fn application_name(&self) -> &str {
        self.get("application_name").or(self.inherited.application_name.as_deref()).unwrap_or(OUR_NAME)
    }

    /// The same connection by a name of its own, by which the server's list of sessions tells it from others.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.set("application_name".into(), name.into());
        other
    }

    /// Who runs the programs that connect, if that is not whoever runs this.
    pub fn run_by(&self) -> Option<&User> {
        self.run_by.as_ref()
    }

    /// Gives a program of PostgreSQL's this connection: `--dbname`, the password, and defaults; and has it watched
    /// over, so that a dead connection is not waited for.
    ///
    /// # Errors
    /// `Kind::Settings` if the command that prints the password fails.
    pub async fn dress(&self, program: Program) -> Result<Program> {
        let (psql, asked) = (self.give(program.next_to("psql")), self.asked());
        let program = self.give(program);
        let program = match &asked {
            Some(asked) => asked.give(program).await?,
            None => program,
        };
        Ok(match self.patience() {
            Some(limit) => program.watched(alive::watcher(psql, asked, limit)),
            None => program,
        })
    }

    /// The command that prints the password, with what was typed of the server, database and user as libpq's
    /// variables; `None` if there is a password.
    fn asked(&self) -> Option<Asked> {
        let command = self.password_command.clone().filter(|_| self.password.is_none())?;
        let named = [("host", "PGHOST"), ("port", "PGPORT"), ("user", "PGUSER"), ("dbname", "PGDATABASE")];
        let typed = named.iter().filter_map(|(keyword, name)| Some((name, self.get(keyword)?)));
        let variables = typed.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
        Some(Asked { command, variables })
    }

    /// How long a connection over which nothing comes is believed; `None` for ever.
    ///
    /// Which of several servers a program is connected to is not known, nor which of its sessions a pooler uses.
    fn patience(&self) -> Option<Duration> {
        let hosts = self.get("host").or(self.inherited.host.as_deref()).unwrap_or_default();
        if self.environment == Heeded::Nothing || self.pooled || hosts.contains(',') {
            return None;
        }
        let usual = ALIVE.iter().find(|(keyword, _)| *keyword == TCP_USER_TIMEOUT).map(|(_, value)| *value);
        let limit = self.get(TCP_USER_TIMEOUT).or(usual)?.trim().parse().ok()?;
        (limit > 0).then(|| Duration::from_millis(limit))
    }

    fn give(&self, program: Program) -> Program {
        let program = match self.environment {
            Heeded::All => program,
            Heeded::AllButAddress => program.without(&ADDRESS),
            Heeded::Nothing => program.without_libpq(),
        };
        let program = match &self.run_by {
            Some(user) => program.user(user.clone()),
            None => program,
        };
        let mut program = program.arg("--no-password").env("PGTZ", "UTC");
        program = program.arg(format!("--dbname={}", self.alive().to_keywords()));
        if !self.inherited.connect_timeout && self.get("connect_timeout").is_none() {
            program = program.env("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT);
        }
        if self.inherited.application_name.is_none() && self.get("application_name").is_none() {
            program = program.env("PGAPPNAME", OUR_NAME);
        }
        if let Some(options) = &self.inherited.options {
            program = program.env("PGOPTIONS", options);
        }
        if let Some(inherited) = &self.inherited.password {
            program = program.secret(inherited.clone());
        }
        match &self.password {
            Some(password) => program.secret_env("PGPASSWORD", password.clone()),
            None => program,
        }
    }

    /// The database to create or fill; it must have been typed, as a target is never guessed.
    pub fn target_name(&self) -> Result<&str> {
        let name = self.get("dbname").filter(|name| !name.is_empty()).ok_or_else(|| {
            Error::usage("the target names no database")
                .hint("end the URL with the new database's name: postgres://user@host/app_copy")
        })?;
        if name.len() > LONGEST_NAME {
            return Err(Error::usage(format!(
                "no database can be called {name:?}: a name has at most {LONGEST_NAME} bytes"
            )));
        }
        Ok(name)
    }
}

impl fmt::Display for ConnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_keywords())
    }
}

/// A keyword and its value, as a connection string has them.
pub fn quoted(keyword: &str, value: &str) -> String {
    format!("{keyword}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(text: &str) -> ConnInfo {
        ConnInfo::parse(text, |_| None).unwrap()
    }

    #[test]
    fn the_password_is_split_off_and_never_shown() {
        for text in [
            "postgres://u:hunter22@h/db",
            "postgres://u@h/db?password=hunter22",
            "host=h user=u dbname=db password='hunter22'",
        ] {
            let info = typed(text);
            assert_eq!(info.password.as_ref().unwrap().reveal(), "hunter22");
            let shown = format!("{info} {info:?} {}", info.to_keywords());
            assert!(!shown.contains("hunter22"), "{shown}");
        }
    }

    #[test]
    fn a_shell_takes_it_as_one_word() {
        let info = typed("postgres://u:hunter22@h:5433/app?application_name=it's%20me");
        let word = info.as_shell_word();
        assert!(word.starts_with("'user=u host=h port=5433 dbname=app application_name="), "{word}");
        let heard =
            std::process::Command::new("sh").args(["-c", &format!("printf %s {word}")]).output().unwrap();
        let again = typed(&String::from_utf8(heard.stdout).unwrap());
        assert_eq!(again.to_keywords(), info.to_keywords());
        assert!(!word.contains("hunter22"));
    }

    #[test]
    fn another_database_keeps_the_rest() {
        let info = typed("postgres://u@h:5433/app?sslmode=require").with_dbname("postgres");
        assert_eq!(info.to_keywords(), "user='u' host='h' port='5433' dbname='postgres' sslmode='require'");
        assert_eq!(typed("").with_dbname("o'a\\b").to_keywords(), r"dbname='o\'a\\b'");
    }

    #[test]
    fn a_setting_is_one_option_whatever_its_value() {
        let info = typed("postgres://h/app?options=-c%20a%3D1").with_setting("role", "my role");
        assert_eq!(info.get("options"), Some("-c a=1 -c role=my\\ role"));
    }

    /// What libpq is given explicitly takes the place of what a service says.
    #[test]
    fn a_setting_leaves_the_options_of_a_service() {
        let env = |name: &str| (name == "PGOPTIONS").then(|| "-c a=1".to_owned());
        let info =
            ConnInfo::parse("service=prod", env).unwrap().with_setting("b", "2").with_setting("c", "3");
        assert_eq!(info.to_keywords(), "service='prod'");
        assert_eq!(info.inherited.options.as_deref(), Some("-c a=1 -c b=2 -c c=3"));
    }

    #[test]
    fn the_environment_names_what_was_not_typed() {
        let env = |name: &str| match name {
            "PGDATABASE" => Some("fromenv".to_string()),
            "PGHOST" => Some("ep-x-pooler.eu.aws.neon.tech".to_string()),
            _ => None,
        };
        let info = ConnInfo::parse("", env).unwrap();
        assert_eq!((info.database(), info.to_keywords().as_str()), (Some("fromenv"), ""));
        assert!(info.refuse_pooler().is_err());
        let typed = ConnInfo::parse("postgres://direct/app", env).unwrap();
        assert_eq!(typed.database(), Some("app"));
        assert!(typed.refuse_pooler().is_ok());
        assert!(info.target_name().is_err(), "a target is never taken from PGDATABASE");
    }

    /// The server would cut it off, and nobody would find it by the name that was typed.
    #[test]
    fn the_name_of_a_target_is_not_too_long() {
        let target = |name: &str| typed("postgres://h/").with_dbname(name).target_name().is_ok();
        assert!(target(&"k".repeat(63)) && !target(&"k".repeat(64)) && !target(&"ü".repeat(32)));
    }

    #[test]
    fn a_connection_is_watched_over_if_it_is_known_what_to_look_for() {
        let patience = |text: &str| typed(text).patience();
        assert_eq!(patience("postgres://h/app"), Some(Duration::from_mins(5)));
        assert_eq!(patience("postgres://h/app?tcp_user_timeout=4000"), Some(Duration::from_secs(4)));
        assert_eq!(patience("postgres://h/app?tcp_user_timeout=0"), None);
        assert_eq!(patience("postgres://h,i/app"), None);
        assert_eq!(typed("postgres://h/app").perhaps_pooled().patience(), None);
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_read_back(values in proptest::collection::vec("[^\0]{0,12}", 4)) {
            let mut info = typed("");
            for (keyword, value) in ["host", "dbname", "user", "options"].iter().zip(values) {
                info.set((*keyword).into(), value);
            }
            prop_assert_eq!(typed(&info.to_keywords()), info);
        }

        #[test]
        fn no_input_panics(text in "\\PC{0,40}") {
            let _ = ConnInfo::parse(&text, |_| None);
            let _ = ConnInfo::parse(&format!("postgres://{text}"), |_| None);
        }
    }
}
