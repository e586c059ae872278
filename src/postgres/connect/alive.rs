//! A connection that is dead without anybody having said so: a machine in between has forgotten it, and TCP may
//! never notice, as that machine still answers.
//!
//! So whoever has waited for a program for long asks the server, over another connection, whether it works for us.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::password::Asked;
use crate::error::Error;
use crate::postgres::failure::Situation;
use crate::postgres::process::{Program, Watcher};

/// How long the server may take to answer the question.
const ANSWER: Duration = Duration::from_secs(60);
/// How often it is asked within the time after which a connection counts as dead.
const TIMES: u32 = 5;

/// What our sessions do: whether one works, and each one's state, which changes with every statement.
///
/// One that waits for its client does not work. Of one that is not tracked (`track_activities`) the server does not know. A
/// pooler may give sessions names of its own: those that began a transaction before the silence may be ours, too. The search
/// path may be anybody's.
const QUESTION: &str = "SELECT coalesce(pg_catalog.bool_or(state OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'disabled']) \
    AND coalesce(wait_event_type, '') OPERATOR(pg_catalog.<>) 'Client'), false), \
  pg_catalog.string_agg(pg_catalog.concat('process ', pid, ' is ', state, ' since ', \
    pg_catalog.to_char(state_change, 'HH24:MI:SS.US'), ' (', wait_event, ')'), '; ' ORDER BY pid) \
  FROM pg_catalog.pg_stat_activity \
  WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
    AND usename OPERATOR(pg_catalog.=) SESSION_USER \
    AND (application_name OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name') \
      OR xact_start OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) 'SILENCE'::pg_catalog.interval)) \
    AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";

/// Watches over programs that use the same connection as this `psql`, and gives them up if for twice this time
/// nothing has come of them. What is `asked` for the password is asked again every time.
pub fn watcher(psql: Program, asked: Option<Asked>, limit: Duration) -> Watcher {
    let question = QUESTION.replace("SILENCE", &format!("{} ms", limit.as_millis()));
    let psql = psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", &question]);
    Arc::new(move |name| watch(psql.clone(), asked.clone(), name.to_owned(), limit).boxed())
}

/// Ends when no session of ours has worked for the whole time, or the server could not be reached.
///
/// That there is none counts only after there was one: behind a name that stands for several servers, another one may
/// have been asked.
async fn watch(psql: Program, asked: Option<Asked>, name: String, limit: Duration) -> Error {
    sleep(limit).await;
    let (mut since, mut before) = (Instant::now(), None);
    let mut had_sessions = false;
    loop {
        let seen = look(&psql, asked.as_ref()).await;
        tracing::debug!("{name} has been silent for long; on the server: {seen:?}");
        let state = match seen {
            Seen::Unknown => None,
            Seen::Works => {
                had_sessions = true;
                None
            }
            Seen::Nothing if !had_sessions => None,
            Seen::Nothing => Some("the server has no session of it any more".to_owned()),
            Seen::Rests(states) => {
                had_sessions = true;
                Some(format!("on the server, {states}"))
            }
            Seen::Unreachable(why) => Some(why),
        };
        match state {
            Some(state) if before.as_ref().is_none_or(|before| *before == state) => {
                if since.elapsed() >= limit {
                    return given_up(&name, limit, &state);
                }
                before = Some(state);
            }
            other => (since, before) = (Instant::now(), other),
        }
        sleep(limit / TIMES).await;
    }
}

/// What was seen of our sessions.
#[derive(Debug)]
enum Seen {
    /// The server lives, but does not say: it lets nobody in, or no more sessions.
    Unknown,
    /// There is none.
    Nothing,
    /// One works.
    Works,
    /// None works; what they do instead.
    Rests(String),
    /// There is no way to the server.
    Unreachable(String),
}

async fn look(psql: &Program, asked: Option<&Asked>) -> Seen {
    let psql = match asked {
        None => psql.clone(),
        Some(asked) => match asked.give(psql.clone()).await {
            Ok(psql) => psql,
            Err(error) => {
                tracing::debug!("the server is not asked: {error}");
                return Seen::Unknown;
            }
        },
    };
    let answer = match timeout(ANSWER, psql.run(b"")).await {
        Ok(Ok(answer)) => String::from_utf8_lossy(&answer).into_owned(),
        Ok(Err(failure)) => {
            let is_unreachable = failure.situation().is_some_and(Situation::is_unreachable);
            let why = Error::from(failure);
            tracing::debug!("the server does not say: {why}");
            return match is_unreachable {
                true => Seen::Unreachable(format!("the server cannot be asked: {}", why.message())),
                false => Seen::Unknown,
            };
        }
        Err(_) => return Seen::Unreachable("the server does not answer".to_owned()),
    };
    match answer.trim_end().split_once('|') {
        Some(("f", "")) => Seen::Nothing,
        Some(("f", states)) => Seen::Rests(states.to_owned()),
        _ => Seen::Works,
    }
}

fn given_up(name: &str, limit: Duration, states: &str) -> Error {
    let waited = humantime::format_duration(limit * 2);
    Error::postgres(format!(
        "{name} has been waiting for the server for {waited}, and the connection is dead: {states}"
    ))
    .in_situation(Situation::SessionLost)
    .hint("a proxy, a firewall or a NAT gateway in between may have dropped the connection")
    .hint("half of that time is tcp_user_timeout in the connection string, in milliseconds")
}
