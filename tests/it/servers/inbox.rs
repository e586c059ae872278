//! An HTTP server that keeps every request, and gives a simple answer: alarms are sent to it.

use crate::harness::eventually;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Letter {
    pub method: String,
    /// Its path with its query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The body, if it is no text.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// A running server; it ends with the process.
pub struct Inbox {
    pub url: String,
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl Inbox {
    /// Answers everything with 200 and `OK`.
    pub fn open() -> Inbox {
        Inbox::answering(200, "OK")
    }

    /// Answers everything with this.
    pub fn answering(status: u16, body: &'static str) -> Inbox {
        Inbox::start(move |_| (status, String::new(), body.to_owned()))
    }

    /// Sends every request on to another server, with this status.
    pub fn redirecting(status: u16, to: &str) -> Inbox {
        let to = to.to_owned();
        Inbox::start(move |letter| (status, format!("location: {to}{}\r\n", letter.target), String::new()))
    }

    /// Answers each request with the status, the header lines and the body that this makes of it.
    pub fn start(answer: impl Fn(&Letter) -> (u16, String, String) + Send + Sync + 'static) -> Inbox {
        let answer = Arc::new(answer);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let letters = Arc::<Mutex<Vec<Letter>>>::default();
        let kept = Arc::clone(&letters);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &*answer, &kept));
            }
        });
        Inbox { url, letters }
    }

    /// What came in so far.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.lock().unwrap().clone()
    }

    /// Waits until this many came in.
    pub fn wait_for(&self, many: usize) {
        eventually(&format!("{many} letters came in"), || self.letters().len() >= many);
    }
}

fn serve(stream: TcpStream, answer: impl Fn(&Letter) -> (u16, String, String), letters: &Mutex<Vec<Letter>>) {
    let mut from = BufReader::new(stream.try_clone().unwrap());
    let mut to = stream;
    while let Some(letter) = read(&mut from) {
        let (status, headers, body) = answer(&letter);
        letters.lock().unwrap().push(letter);
        let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        if to.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The next request; `None` if the connection was closed.
fn read(from: &mut impl BufRead) -> Option<Letter> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = lines.iter().skip(1).filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    from.read_exact(&mut body).ok()?;
    let (body, bytes) = (String::from_utf8_lossy(&body).into_owned(), body);
    Some(Letter { method, target, headers, body, bytes })
}
