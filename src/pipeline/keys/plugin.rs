//! age's plugins, spoken to as C2SP's age-plugin.md says.
//!
//! age's own crate speaks to them too, but lets them inherit the environment, with keys to stores and services in it.
//! A plugin gets the variables it is given here, and no others.

use super::ask::Ask;
use crate::error::{Error, Result};
use age::secrecy::ExposeSecret;
use age::{Callbacks, DecryptError, EncryptError};
use age_core::format::{FileKey, Stanza};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// The variables that plugins get, with the `PATH` they are found by.
pub type Variables = Arc<[(OsString, OsString)]>;

/// Characters in a line of a stanza's body; a shorter line is the last.
const LINE: usize = 64;
/// The longest line and the longest body that are read, in bytes.
const LONGEST: (u64, usize) = (64 << 10, 1 << 20);

/// A plugin, with what it is to encrypt to or decrypt with.
pub struct Plugin {
    path: PathBuf,
    name: String,
    variables: Variables,
    ask: Ask,
    /// Its recipient or its identity, as it was written.
    key: String,
}

impl Plugin {
    /// Finds the plugin of this name for a recipient or an identity.
    pub fn find(name: &str, key: String, variables: &Variables, ask: Ask) -> Result<Self> {
        let name = format!("age-plugin-{name}");
        let folders = variables.iter().find(|(known, _)| known == "PATH").map(|(_, value)| value);
        let is_program =
            |path: &PathBuf| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
        let mut found = folders.into_iter().flat_map(|folders| {
            std::env::split_paths(folders).map(|folder| folder.join(&name)).filter(is_program)
        });
        let Some(path) = found.next() else {
            return Err(Error::settings(format!("the age plugin {name} is not installed"))
                .hint(format!("install {name} into a folder of PATH")));
        };
        // It will run in another folder.
        let path = path.canonicalize().unwrap_or(path);
        Ok(Self { path, name, variables: Arc::clone(variables), ask, key })
    }

    /// Says these things, then answers what it asks; what is not a question goes to `take`, which says whether it
    /// is known.
    fn talk(
        &self,
        machine: &str,
        said: &[Stanza],
        take: &mut dyn FnMut(Stanza) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut command = Command::new(&self.path);
        command.arg(format!("--age-plugin={machine}")).env_clear().current_dir("/");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running::start(&mut command)?;
        let (Some(mut to), Some(from)) = (running.0.stdin.take(), running.0.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let (mut from, mut errors) = (BufReader::new(from), Vec::new());
        let mut conversation = || {
            said.iter().try_for_each(|stanza| write(&mut to, stanza))?;
            write(&mut to, &stanza("done", &[], b""))?;
            loop {
                let heard = read(&mut from)?;
                if heard.tag == "done" {
                    return Ok(());
                }
                if heard.tag == "error" {
                    errors.push(String::from_utf8_lossy(&heard.body).into_owned());
                    write(&mut to, &stanza("ok", &[], b""))?;
                } else {
                    write(&mut to, &self.answer(heard, take)?)?;
                }
            }
        };
        let talked = conversation();
        drop((to, from));
        if talked.is_err() {
            let _ = running.0.kill();
        }
        drop(running);
        let outcome = talked.and_then(|()| match errors.is_empty() {
            true => Ok(()),
            false => Err(io::Error::other(errors.join("; "))),
        });
        outcome.map_err(|e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", self.name)))
    }

    /// The answer to what it has said.
    fn answer(&self, heard: Stanza, take: &mut dyn FnMut(Stanza) -> io::Result<bool>) -> io::Result<Stanza> {
        let text = || String::from_utf8_lossy(&heard.body);
        Ok(match heard.tag.as_str() {
            "msg" => {
                self.ask.display_message(&text());
                stanza("ok", &[], b"")
            }
            "request-secret" => match self.ask.request_passphrase(&text()) {
                Some(secret) => stanza("ok", &[], secret.expose_secret().as_bytes()),
                None => stanza("fail", &[], b""),
            },
            // Nobody is asked anything else.
            "confirm" | "request-public" => stanza("fail", &[], b""),
            _ => match take(heard)? {
                true => stanza("ok", &[], b""),
                false => stanza("unsupported", &[], b""),
            },
        })
    }
}

/// The plugins that run; `None` once the program ends, and no more are started.
static RUNNING: Mutex<Option<Vec<Pid>>> = Mutex::new(Some(Vec::new()));

/// Ends the plugins that run, for the end of the program: the threads that wait for their answers end with it.
pub fn end_plugins() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    for pid in running.into_iter().flatten() {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// A plugin that runs; it is waited for on drop.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let pids = running.as_mut().ok_or(io::ErrorKind::Interrupted)?;
        let child = command.spawn()?;
        pids.push(Pid::from_child(&child));
        Ok(Self(child))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.0);
        // Its number is free for another process as soon as it is reaped, so it is forgotten before.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        if let Some(pids) = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            pids.retain(|known| *known != pid);
        }
        let _ = self.0.wait();
    }
}

impl age::Recipient for Plugin {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let said = [
            stanza("add-recipient", &[&self.key], b""),
            stanza("extension-labels", &[], b""),
            stanza("wrap-file-key", &[], file_key.expose_secret()),
        ];
        let (mut stanzas, mut labels) = (Vec::new(), HashSet::new());
        self.talk("recipient-v1", &said, &mut |mut heard| {
            match heard.tag.as_str() {
                "labels" => labels = std::mem::take(&mut heard.args).into_iter().collect(),
                "recipient-stanza" if heard.args.len() >= 2 => {
                    // The first says for which file, and there is one.
                    heard.tag = heard.args.remove(1);
                    heard.args.remove(0);
                    stanzas.push(heard);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if stanzas.is_empty() {
            return Err(io::Error::other(format!("{} has encrypted to nobody", self.name)).into());
        }
        Ok((stanzas, labels))
    }
}

impl age::Identity for Plugin {
    fn unwrap_stanza(&self, wrapped: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(wrapped))
    }

    fn unwrap_stanzas(&self, wrapped: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let all = wrapped.iter().map(|one| {
            let args: Vec<&str> =
                ["0", &one.tag].into_iter().chain(one.args.iter().map(String::as_str)).collect();
            stanza("recipient-stanza", &args, &one.body)
        });
        let said: Vec<Stanza> =
            std::iter::once(stanza("add-identity", &[&self.key], b"")).chain(all).collect();
        let mut found = None;
        let talked = self.talk("identity-v1", &said, &mut |heard| {
            let Ok(key) = <[u8; 16]>::try_from(heard.body.as_slice()) else { return Ok(false) };
            if heard.tag != "file-key" || found.is_some() {
                return Ok(false);
            }
            found = Some(FileKey::new(Box::new(key)));
            Ok(true)
        });
        match (found, talked) {
            (Some(key), _) => Some(Ok(key)),
            (None, Ok(())) => None,
            (None, Err(error)) => {
                tracing::warn!("{error}");
                Some(Err(DecryptError::KeyDecryptionFailed))
            }
        }
    }
}

fn stanza(tag: &str, args: &[&str], body: &[u8]) -> Stanza {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Stanza { tag: tag.to_owned(), args, body: body.to_vec() }
}

fn write(to: &mut impl Write, stanza: &Stanza) -> io::Result<()> {
    let mut text = format!("-> {}", stanza.tag);
    stanza.args.iter().for_each(|arg| text.extend([" ", arg]));
    text.push('\n');
    let body = STANDARD_NO_PAD.encode(&stanza.body);
    let mut rest = body.as_str();
    while let Some((line, later)) = rest.split_at_checked(LINE) {
        text.extend([line, "\n"]);
        rest = later;
    }
    text.extend([rest, "\n"]);
    to.write_all(text.as_bytes())?;
    to.flush()
}

fn read(from: &mut impl BufRead) -> io::Result<Stanza> {
    let head = line(from)?;
    let mut words = head.strip_prefix("-> ").ok_or_else(nonsense)?.split(' ').map(str::to_owned);
    let tag = words.next().unwrap_or_default();
    let mut body = String::new();
    loop {
        let line = line(from)?;
        body.push_str(&line);
        if line.len() < LINE {
            break;
        }
        if line.len() > LINE || body.len() > LONGEST.1 {
            return Err(nonsense());
        }
    }
    let body = STANDARD_NO_PAD.decode(body).map_err(|_| nonsense())?;
    Ok(Stanza { tag, args: words.collect(), body })
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.take(LONGEST.0).read_line(&mut line)?;
    match line.pop() {
        Some('\n') => Ok(line),
        None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer")),
        Some(_) => Err(nonsense()),
    }
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it says is no stanza of age's")
}

/// Whether a variable is for plugins: where they find themselves, hardware, and whom to ask.
pub fn is_for_plugins(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    WANTED.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

/// Those with a star stand for all that begin so.
const WANTED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LANG",
    "LC_*",
    "TERM",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "XDG_*",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "GPG_TTY",
    "SSH_AUTH_SOCK",
    "PCSCLITE_*",
    "TPM2TOOLS_TCTI",
    "AGE_*",
    "AGEDEBUG",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let body: Vec<u8> = (0..length).map(|n: u32| u8::try_from(n % 251).unwrap()).collect();
            let mut text = Vec::new();
            write(&mut text, &stanza("tag", &["one", "two"], &body)).unwrap();
            assert_eq!(read(&mut text.as_slice()).unwrap(), stanza("tag", &["one", "two"], &body));
        }
        for nonsense in ["", "tag\n\n", "-> tag\n", "-> tag\n?\n", "-> tag\nAAAA"] {
            assert!(read(&mut nonsense.as_bytes()).is_err(), "{nonsense:?}");
        }
        let endless = format!("-> tag\n{}", format!("{}\n", "A".repeat(64)).repeat(30_000));
        assert!(read(&mut endless.as_bytes()).is_err());
        assert!(read(&mut "x".repeat(1 << 20).as_bytes()).is_err());
    }

    #[test]
    fn plugins_get_nothing_secret() {
        for name in ["PATH", "HOME", "LC_ALL", "XDG_RUNTIME_DIR", "DISPLAY"] {
            assert!(is_for_plugins(OsStr::new(name)), "{name}");
        }
        for name in ["PGSTOW_IDENTITY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "NEON_API_KEY", "DATABASE_URL"]
        {
            assert!(!is_for_plugins(OsStr::new(name)), "{name}");
        }
    }
}
