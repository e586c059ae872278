//! Processes that outlive whoever started them: what is in a backup may start some in a server of our own, and
//! take them out of its group.
//!
//! They become children of this process, which ends them. What this process starts itself stays in its session;
//! every process of a server has left that, so nothing else is taken for one of them.

use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::error::{Error, Result};

/// How often it is looked for more; each of them may have started another meanwhile.
const ROUNDS: usize = 250;
const PAUSE: Duration = Duration::from_millis(20);

/// Makes this process the parent of all that lose theirs among those it has started, from now on.
pub fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        tracing::debug!("processes that leave a server's group will not be found: {error}");
    }
}

/// Ends all processes that have lost their parent and left this process's session.
///
/// # Errors
/// `Kind::Postgres` if some do not end: they may belong to somebody else by now.
pub async fn end_orphans() -> Result<()> {
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        left = orphans();
        if left.is_empty() {
            return Ok(());
        }
        for pid in &left {
            let _ = kill_process(*pid, Signal::KILL);
            let _ = waitpid(Some(*pid), WaitOptions::NOHANG);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let numbers: Vec<String> = left.iter().map(|pid| pid.as_raw_nonzero().to_string()).collect();
    Err(Error::postgres(format!(
        "what is in the backup has started processes that do not end: {}",
        numbers.join(", ")
    ))
    .hint("end them yourself, and find out who wrote the backup"))
}

/// Children of this process that are in another session.
fn orphans() -> Vec<Pid> {
    let own = rustix::process::getpid();
    let Some((_, session)) = kin("self") else { return Vec::new() };
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_one = |pid: &Pid| {
        let kin = kin(&pid.as_raw_nonzero().to_string());
        kin.is_some_and(|(parent, of)| parent == own.as_raw_nonzero().get() && of != session)
    };
    let pid = |name: &str| Pid::from_raw(name.parse().ok()?);
    processes.filter_map(|entry| pid(entry.ok()?.file_name().to_str()?)).filter(is_one).collect()
}

/// The numbers of a process's parent and session. Each is 0 if it is outside of this container: what was started
/// by `docker exec` has no session that can be seen, and the call `getsid` of rustix cannot say so.
fn kin(process: &str) -> Option<(i32, i32)> {
    parse(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The parent and the session from a `/proc/…/stat`; the process's name in it may hold anything.
fn parse(stat: &str) -> Option<(i32, i32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(1);
    let mut next = || fields.next()?.parse().ok();
    let (parent, _group, session): (_, i32, _) = (next()?, next()?, next()?);
    Some((parent, session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_status_deceives_nobody() {
        assert_eq!(parse("77 (a) S 1 2 3 (b) S 40 50 60 0 -1"), Some((40, 60)));
        assert_eq!(parse("77 (a"), None);
        assert_eq!(parse("77 (a) S 40"), None);
    }

    #[test]
    fn a_session_may_be_outside() {
        assert_eq!(parse("77 (pgstow) S 0 0 0 0 -1"), Some((0, 0)));
    }
}
