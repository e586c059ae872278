//! A web proxy: it passes on what it is asked to, and notes for whom.

use super::at_once;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running proxy; it ends with the process.
pub struct WebProxy {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl WebProxy {
    pub fn start() -> WebProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let kept = Arc::clone(&kept);
                // Whoever goes away is no concern of a proxy.
                std::thread::spawn(move || client.and_then(at_once).and_then(|client| pass(client, &kept)));
            }
        });
        WebProxy { url, asked }
    }

    /// For each connection the first request: `CONNECT host:port`, or `GET http://host:port/…`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn pass(client: TcpStream, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    asked.lock().unwrap().push(format!("{method} {target}"));
    let address = target.strip_prefix("http://").unwrap_or(target).split('/').next().unwrap_or_default();
    let mut server = TcpStream::connect(address).and_then(at_once)?;
    let mut back = client.try_clone()?;
    match method {
        "CONNECT" => back.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
        // A server understands the whole address, too.
        _ => server.write_all(head.as_bytes())?,
    }
    let mut from = server.try_clone()?;
    std::thread::spawn(move || {
        let _ = copy(&mut from, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    copy(&mut reader, &mut server)?;
    server.shutdown(Shutdown::Write)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut bytes = [0; 16 << 10];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            n => to.write_all(&bytes[..n])?,
        }
    }
}
