//! An HTTP server that keeps every request, and always gives the same answer: alarms are sent to it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Letter {
    pub method: String,
    /// Its path with its query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let letters = Arc::<Mutex<Vec<Letter>>>::default();
        let kept = Arc::clone(&letters);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream.unwrap(), status, body, &kept));
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
        for _ in 0..2400 {
            if self.letters().len() >= many {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("only these came in: {:?}", self.letters());
    }
}

fn serve(stream: TcpStream, status: u16, body: &str, letters: &Mutex<Vec<Letter>>) {
    let mut from = BufReader::new(stream.try_clone().unwrap());
    let mut to = stream;
    while let Some(letter) = read(&mut from) {
        letters.lock().unwrap().push(letter);
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
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
    Some(Letter { method, target, headers, body: String::from_utf8(body).unwrap() })
}
