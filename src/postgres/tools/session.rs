//! One `psql` that stays: a session in which one order follows another.
//!
//! What a session holds (a lock, a transaction) goes with it, also when this process is killed: the
//! pipe it reads its orders from closes then, and it ends.

use std::future::pending;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines, Take};
use tokio::process::{ChildStdin, ChildStdout};

use crate::error::{Error, Kind, Result};

use super::psql::{Psql, script};
use super::sessions::{ASKING, BARE};
use crate::postgres::process::{Patient, Running};

/// No session has more to answer in all its life, in bytes: the files of three million tables.
const LONGEST: u64 = 64 << 20;

/// A session; dropping it ends it.
pub struct Session {
    orders: ChildStdin,
    answers: Lines<BufReader<Take<Patient<ChildStdout>>>>,
    /// `None` once it has ended.
    running: Option<Box<Running>>,
}

impl Session {
    /// Connects; `setup` is run first, and prints nothing.
    ///
    /// Neither it nor a query may hold what somebody else wrote.
    pub async fn open(psql: &Psql, setup: &str) -> Result<Self> {
        Self::begin(psql, ASKING, setup).await
    }

    /// The same without any settings of ours: a pooler would leave them to others. Whoever asks names schemas.
    pub async fn bare(psql: &Psql, setup: &str) -> Result<Self> {
        Self::begin(psql, BARE, setup).await
    }

    async fn begin(psql: &Psql, preamble: &str, setup: &str) -> Result<Self> {
        let mut running = psql.program(preamble).await?.start(Stdio::piped(), Stdio::piped())?;
        let (orders, answers) = (running.stdin()?, running.stdout()?.take(LONGEST));
        let answers = BufReader::new(answers).lines();
        let mut session = Self { orders, answers, running: Some(running) };
        session.order(&script(setup)?).await;
        Ok(session)
    }

    /// Asks a query that gives one line; where the session has ended, its last words are the failure.
    pub async fn ask(&mut self, query: &str) -> Result<String> {
        self.order(query).await;
        let Self { answers, running, .. } = self;
        let given_up = async {
            match running {
                Some(running) => running.given_up().await,
                None => pending().await,
            }
        };
        let answer = tokio::select! {
            answer = answers.next_line() => answer,
            error = given_up => return Err(error),
        };
        if let Some(line) = answer.map_err(|e| Error::from_io(e, Kind::Postgres, "read psql's answer"))? {
            return Ok(line);
        }
        if let Some(running) = self.running.take() {
            running.ended().await?;
        }
        Err(Error::postgres("psql ended without an answer"))
    }

    async fn order(&mut self, sql: &str) {
        // One that has ended says why when it is asked.
        let _ = self.orders.write_all(format!("{sql}\n").as_bytes()).await;
    }
}
