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
    let (own, session) = (rustix::process::getpid(), rustix::process::getsid(None).ok());
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_one = |pid: &Pid| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.ok().and_then(|stat| kin(&stat)).is_some_and(|(parent, of)| parent == own && Some(of) != session)
    };
    let pid = |name: &str| Pid::from_raw(name.parse().ok()?);
    processes.filter_map(|entry| pid(entry.ok()?.file_name().to_str()?)).filter(is_one).collect()
}

/// The parent and the session of a process, from its `/proc/…/stat`; its name may hold anything.
fn kin(stat: &str) -> Option<(Pid, Pid)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(1);
    let mut next = || fields.next().and_then(|field| Pid::from_raw(field.parse().ok()?));
    let (parent, _group, session) = (next()?, next()?, next()?);
    Some((parent, session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_status_deceives_nobody() {
        let pid = |number| Pid::from_raw(number).unwrap();
        let status = "77 (a) S 1 2 3 (b) S 40 50 60 0 -1";
        assert_eq!(kin(status), Some((pid(40), pid(60))));
        assert_eq!(kin("77 (a"), None);
        assert_eq!(kin("77 (a) S 40"), None);
    }
}
