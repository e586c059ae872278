//! A connection that is dead without anybody having said so: a machine in between has forgotten it, and TCP may
//! never notice, as that machine still answers.
//!
//! So whoever has waited for a program for long asks the server, over another connection, whether it works for us.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::error::Error;
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::process::{Program, Watcher};

/// How long the server may take to answer the question.
const ANSWER: Duration = Duration::from_secs(60);
/// How often it is asked within the time after which a connection counts as dead.
const TIMES: u32 = 5;

/// What our sessions do: whether one works, and each one's state, which changes with every statement.
///
/// One that waits for its client does not work. The search path may be anybody's.
const QUESTION: &str = "SELECT coalesce(pg_catalog.bool_or(state OPERATOR(pg_catalog.=) 'active' \
    AND coalesce(wait_event_type, '') OPERATOR(pg_catalog.<>) 'Client'), false), \
  pg_catalog.string_agg(pg_catalog.concat('process ', pid, ' is ', state, ' since ', \
    pg_catalog.to_char(state_change, 'HH24:MI:SS.US'), ' (', wait_event, ')'), '; ' ORDER BY pid) \
  FROM pg_catalog.pg_stat_activity \
  WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
    AND usename OPERATOR(pg_catalog.=) SESSION_USER \
    AND application_name OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name') \
    AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";

/// Watches over programs that use the same connection as this `psql`, and gives them up if for twice this time
/// nothing has come of them.
pub fn watcher(psql: Program, limit: Duration) -> Watcher {
    let psql = psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", QUESTION]);
    Arc::new(move |name| watch(psql.clone(), name.to_owned(), limit).boxed())
}

/// Ends when no session of ours has worked for the whole time, or the server could not be asked.
async fn watch(psql: Program, name: String, limit: Duration) -> Error {
    sleep(limit).await;
    let (mut since, mut before) = (Instant::now(), None);
    loop {
        let seen = look(&psql).await;
        tracing::debug!("{name} has been silent for long; on the server: {seen:?}");
        match seen {
            Seen::Works => since = Instant::now(),
            Seen::Rests(states) if before.as_ref().is_some_and(|before| *before != states) => {
                (since, before) = (Instant::now(), Some(states));
            }
            Seen::Rests(states) if since.elapsed() >= limit => return given_up(&name, limit, &states),
            Seen::Rests(states) => before = Some(states),
        }
        sleep(limit / TIMES).await;
    }
}

/// What was seen of our sessions.
#[derive(Debug)]
enum Seen {
    /// One works, or it cannot be known.
    Works,
    /// None works; what they do instead.
    Rests(String),
}

async fn look(psql: &Program) -> Seen {
    let answer = match timeout(ANSWER, psql.clone().run(b"")).await {
        Ok(Ok(answer)) => String::from_utf8_lossy(&answer).into_owned(),
        Ok(Err(failure)) if failure.is(&[Situation::TooManyConnections]) => return Seen::Works,
        Ok(Err(failure)) => return Seen::Rests(unasked(failure)),
        Err(_) => return Seen::Rests("the server does not answer".to_owned()),
    };
    match answer.trim_end().split_once('|') {
        Some(("f", "")) => Seen::Rests("the server has no session of it any more".to_owned()),
        Some(("f", states)) => Seen::Rests(format!("on the server, {states}")),
        _ => Seen::Works,
    }
}

fn unasked(failure: Failure) -> String {
    format!("the server cannot be asked: {}", Error::from(failure).message())
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
