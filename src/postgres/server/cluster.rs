//! A temporary cluster: a server of our own in a folder of its own, gone with everything in it.
//!
//! It listens on a socket in that folder only, which nobody else may enter, and asks for no password.
//! A keeper process waits for pgstow's end, however that comes: then it ends the server and removes
//! the folder. Nothing here survives, so nothing waits for a disk.

use std::future::Future;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::ChildStdin;

use crate::error::{Error, Result};

use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::process::{Program, User, adopt_orphans, end_orphans};
use crate::postgres::sql::identifier;
use crate::postgres::tools::Psql;
use crate::temporary;

/// Makes the cluster and becomes its server; `$1` is the folder, `$2` where the programs lie, `$3` the encoding.
///
/// The keeper reads from what pgstow holds open. It has a life of its own, so that the server does not
/// take it for a child, and keeps none of our pipes open. If pgstow was killed, it also ends what left the server's
/// group, as far as a variable shows where that is from.
///
/// Long values are compressed with LZ4 if the server can: it needs much less time than the usual method, and what is read
/// back is the same.
///
/// `initdb` asks for the user's name. In a container whose user is a random number (OpenShift) there is none, so
/// `libnss_wrapper`, if it is installed, gives one; PostgreSQL's own container images have it for that.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
(
    trap '' HUP INT QUIT TERM
    {
        read -r _ <&3
        kill -QUIT -$$
        tries=0
        while kill -0 $$ && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
        for environ in /proc/[0-9]*/environ; do
            pid=${environ#/proc/}
            grep -qF "PGSTOW_CLUSTER=$1" "$environ" && kill -KILL "${pid%/environ}"
        done
        rm -rf -- "$1"
    } >/dev/null 2>&1 &
)
exec 3<&-
if ! id -un >/dev/null 2>&1; then
    for wrapper in /lib/libnss_wrapper.so /usr/lib/libnss_wrapper.so /lib64/libnss_wrapper.so \
        /usr/lib64/libnss_wrapper.so /lib/*/libnss_wrapper.so /usr/lib/*/libnss_wrapper.so; do
        if [ -r "$wrapper" ]; then
            echo "postgres:x:$(id -u):$(id -g)::$1:/bin/false" >"$1/passwd"
            echo "postgres:x:$(id -g):" >"$1/group"
            export LD_PRELOAD="$wrapper" NSS_WRAPPER_PASSWD="$1/passwd" NSS_WRAPPER_GROUP="$1/group"
            break
        fi
    done
fi
"$2/initdb" -D "$1/data" -U postgres -A trust -E "$3" --locale=C -N >/dev/null || exit
folder=$1 bin=$2
shift 3
if "$bin/postgres" -D "$folder/data" -c default_toast_compression=lz4 -C default_toast_compression >/dev/null 2>&1; then
    set -- "$@" -c default_toast_compression=lz4
fi
PGSTOW_CLUSTER=$folder exec "$bin/postgres" -D "$folder/data" -k "$folder" "$@" 2>"$folder/log"
"#;

/// How the server runs: alone and in a hurry, but with a usual server's room for locks, so that what is restored
/// here can be restored elsewhere.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=2GB",
    "autovacuum=off",
    "max_connections=100",
    "maintenance_work_mem=256MB",
    // Containers often have next to no /dev/shm.
    "dynamic_shared_memory_type=mmap",
    "restart_after_crash=off",
    "logging_collector=off",
    "log_min_messages=fatal",
    "log_min_error_statement=panic",
];

/// The longest folder that leaves room for the socket's name in its address, in bytes.
const LONGEST_FOLDER: usize = 107 - "/.s.PGSQL.5432".len();
/// How long the server may take to be ready, and to be gone.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// A cluster of one's own. It must be ended by [`Cluster::remove`], which waits until it is gone.
pub struct Cluster {
    folder: TempDir,
    user: Option<User>,
    server: Option<Server>,
}

struct Server {
    /// Held open for the keeper, never written to.
    alive: ChildStdin,
    ending: Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>,
}

impl Cluster {
    /// Makes the folder, in `scratch` or where temporary files go; nothing is started yet.
    ///
    /// PostgreSQL refuses to run as root: then it will be run as somebody without rights, whom the
    /// folder is given to.
    pub fn prepare(scratch: Option<&Path>) -> Result<Self> {
        let scratch = scratch.map_or_else(std::env::temp_dir, Path::to_path_buf);
        // Programs of another user run in another folder.
        let scratch = std::path::absolute(&scratch).unwrap_or(scratch);
        let user = if rustix::process::geteuid().is_root() { Some(User::unprivileged()?) } else { None };
        let folder = temporary::folder(&scratch, "pgstow-verify-");
        let folder = folder
            .and_then(|folder| {
                // Whoever may write to the folder above could have put a link in its place.
                let give =
                    |user: &User| std::os::unix::fs::lchown(folder.path(), Some(user.uid), Some(user.gid));
                user.as_ref().map_or(Ok(()), give).map(|()| folder)
            })
            .map_err(|e| {
                let what = format!("no folder for a temporary cluster can be made in {}", scratch.display());
                Error::settings(what).hint("name another one with --scratch").because(e)
            })?;
        if folder.path().as_os_str().len() > LONGEST_FOLDER {
            let what = format!("{} is too long a path for a server's socket", folder.path().display());
            return Err(Error::settings(what).hint("name a shorter folder with --scratch"));
        }
        // A server and its clients take what has commas for several folders.
        if folder.path().as_os_str().as_encoded_bytes().contains(&b',') {
            let what = format!("a server can have no socket in {}", folder.path().display());
            return Err(Error::settings(what).hint("name a folder without a comma with --scratch"));
        }
        Ok(Self { folder, user, server: None })
    }

    /// Starts a server of this version and waits until it is ready; `settings` are added to the usual ones, each as
    /// `name=value`. Its own databases, in which roles are made, have this encoding.
    ///
    /// It will run what is in a backup, so it gets nothing of pgstow's environment but what it needs.
    pub async fn start(&mut self, client: &Client, settings: &[String], encoding: &str) -> Result<()> {
        close_to_others();
        adopt_orphans();
        let folder = self.folder.path();
        let mut program =
            Program::new("/bin/sh").args(["-c", SCRIPT, "sh"]).envs(client.environment.of_server());
        program = program
            .arg(folder)
            .arg(&client.dir)
            .arg(encoding)
            .in_folder(folder)
            .env("LC_ALL", "C")
            .called("initdb");
        for setting in SETTINGS.iter().copied().chain(settings.iter().map(String::as_str)) {
            program = program.args(["-c", setting]);
        }
        if let Some(user) = &self.user {
            program = program.user(user.clone());
        }
        let started = program.start(Stdio::piped(), Stdio::null());
        let mut running = started.map_err(|error| match &self.user {
            Some(user) => cannot_enter(error, user, folder.parent().unwrap_or(folder)),
            None => error,
        })?;
        let alive = running.stdin()?;
        let server = self.server.insert(Server { alive, ending: Box::pin(running.ended()) });

        let status = folder.join("data/postmaster.pid");
        let ready = || std::fs::read_to_string(&status).is_ok_and(|text| is_ready(&text));
        let waiting = async {
            while !ready() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let ended = tokio::select! {
            () = waiting => return Ok(()),
            ended = &mut server.ending => ended,
            () = tokio::time::sleep(PATIENCE) => {
                return Err(Error::postgres("the temporary cluster does not become ready").and(log(folder)));
            }
        };
        self.server = None;
        Err(not_started(ended, self.folder.path()))
    }

    /// Its connection, as superuser; the database need not exist.
    pub fn conn(&self, database: &str) -> ConnInfo {
        let folder = self.folder.path().to_string_lossy();
        ConnInfo::of_socket(&folder, "postgres", database, self.user.clone())
    }

    /// Bytes that its folder's disk has left for it, if that is known.
    pub fn free_space(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.folder.path()).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Makes those of the roles that are not there; they cannot log in.
    pub async fn create_roles(&self, client: &Client, roles: &[String], superusers: &[String]) -> Result<()> {
        let psql = Psql::new(client, &self.conn("postgres"));
        let there: Vec<String> = psql.query("SELECT json_agg(rolname) FROM pg_roles;").await?;
        let lacking = roles.iter().filter(|role| !role.starts_with("pg_") && !there.contains(role));
        let create = |role: &String| {
            let superuser = if superusers.contains(role) { " SUPERUSER" } else { "" };
            format!("CREATE ROLE {} NOLOGIN{superuser};\n", identifier(role))
        };
        let made = psql.execute(&lacking.map(create).collect::<String>()).await;
        made.map_err(|e| e.context("make the backup's roles in the temporary cluster"))
    }

    /// Those of these extensions whose files are not installed with the server.
    pub async fn lacks(&self, client: &Client, extensions: &[String]) -> Result<Vec<String>> {
        let question = "SELECT coalesce(json_agg(name), '[]') FROM pg_available_extensions;";
        let there: Vec<String> = Psql::new(client, &self.conn("postgres")).query(question).await?;
        Ok(extensions.iter().filter(|name| !there.contains(name)).cloned().collect())
    }

    /// Ends the server, with all that was started in it, and removes the folder.
    pub async fn remove(mut self) -> Result<()> {
        if let Some(Server { alive, mut ending }) = self.server.take() {
            drop(alive);
            // Given up after this it is killed; either way it is gone.
            let _ = tokio::time::timeout(PATIENCE, &mut ending).await;
        }
        let ended = end_orphans().await;
        let path = self.folder.keep();
        let removed = remove(&path).await;
        ended.and(
            removed.map_err(|e| {
                Error::local_file(format!("{} could not be removed", path.display())).because(e)
            }),
        )
    }
}

/// Keeps other processes of the same user, such as what a backup runs in the server, from reading this
/// process's memory and environment.
fn close_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::debug!("other processes of this user may read pgstow's environment: {error}");
    }
}

/// Removes a folder that the keeper removes too, and in which `initdb` may still be dying.
async fn remove(folder: &PathBuf) -> std::io::Result<()> {
    let mut last = Ok(());
    for _ in 0..100 {
        last = std::fs::remove_dir_all(folder);
        match &last {
            Err(error) if error.kind() != ErrorKind::NotFound => tokio::time::sleep(PAUSE * 5).await,
            _ => return Ok(()),
        }
    }
    last
}

/// Reads `postmaster.pid`, whose eighth line says how far the server is.
fn is_ready(status: &str) -> bool {
    status.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

/// Root may enter every folder; whom PostgreSQL runs as instead may not.
fn cannot_enter(error: Error, user: &User, scratch: &Path) -> Error {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    if cause.is_none_or(|cause| cause.kind() != ErrorKind::PermissionDenied) {
        return error;
    }
    let (number, scratch) = (user.uid, scratch.display());
    error
        .hint(format!(
            "PostgreSQL does not run as root, so it runs as user number {number}, who may not enter {scratch}"
        ))
        .hint(
            "name a folder that everybody may enter with --scratch, or run pgstow as another user than root",
        )
}

fn log(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    log.lines().last().map_or("it has logged nothing".into(), |line| format!("it last logged: {line}"))
}

fn not_started(ended: Result<(), Failure>, folder: &Path) -> Error {
    let error = match ended {
        Ok(()) => Error::postgres("the temporary cluster ended at once"),
        Err(failure) => Error::from(failure).context("start a temporary cluster"),
    };
    let scratch = folder.parent().unwrap_or(folder).display();
    let error = match error.situation() {
        // It is not the disk of any server that the user knows.
        Some(Situation::OutOfSpace) => error
            .without_hints()
            .hint(format!("the disk of {scratch} is full: --scratch names a folder on another one")),
        _ => error,
    };
    // Before there is a server, there is no log of it.
    match folder.join("log").exists() {
        true => error.and(log(folder)),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_as_pg_ctl_reads_it() {
        let status = |word: &str| format!("123\n/data\n1700000000\n5432\n/sockets\n\n 123 4\n{word}\n");
        assert!(is_ready(&status("ready   ")));
        for not_yet in ["starting", "stopping", "standby "] {
            assert!(!is_ready(&status(not_yet)), "{not_yet}");
        }
        assert!(!is_ready("123\n/data\n"));
    }
}
