//! gcp-storage-emulator: what somebody else made of Google's JSON API. It knows no uploads in parts.

use super::BUCKET;
use crate::servers::{Launch, Server, fetched, folder, free_port};
use std::net::TcpStream;
use std::path::PathBuf;

/// A running emulator, which lets everybody in.
pub struct Emulator {
    port: u16,
    _server: Server,
}

impl Emulator {
    pub fn start() -> Emulator {
        let (port, folder) = (free_port(), folder("gcs-emulator"));
        // The checkout may lie where the user who runs servers cannot look.
        let script = folder.path().join("emulator.py");
        std::fs::write(&script, include_str!("emulator.py")).unwrap();
        let args = [script.into(), port.to_string().into(), BUCKET.into()].into();
        let launch = Launch { folder, signal: "KILL", program: Emulator::python(), args, env: [].into() };
        let server = Server::start(launch, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Emulator { port, _server: server }
    }

    /// The address of its API.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The store's URL.
    pub fn url(&self) -> String {
        format!("gs://{BUCKET}/p?credentials=none&endpoint={}", self.endpoint())
    }

    /// The Python that has Google's own client for it.
    pub fn python() -> PathBuf {
        fetched("gcs-emulator/bin/python")
    }
}
