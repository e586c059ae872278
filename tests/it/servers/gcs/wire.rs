//! HTTP/1.1, as much as a client of Google's speaks.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use url::Url;

/// A request, read whole.
pub struct Request {
    pub method: String,
    /// The path's segments, decoded.
    pub path: Vec<String>,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// An answer.
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Answer {
    pub fn new(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(self, kind: &str, body: impl Into<Bytes>) -> Answer {
        Answer { body: body.into(), ..self.with("content-type", kind) }
    }
}

/// Answers the requests of one connection, one after the other.
pub fn serve(client: TcpStream, answer: impl Fn(&Request) -> Answer) -> io::Result<()> {
    let mut reader = BufReader::new(&client);
    loop {
        let request = match read(&mut reader) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            // It may be TLS.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return (&client).write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            }
            Err(error) => return Err(error),
        };
        let Answer { status, headers, body } = answer(&request);
        let now = jiff::fmt::rfc2822::DateTimePrinter::new();
        let now = now.timestamp_to_rfc9110_string(&jiff::Timestamp::now()).unwrap();
        let mut head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\ndate: {now}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        (&client).write_all(format!("{head}\r\n").as_bytes())?;
        (&client).write_all(&body)?;
    }
}

fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = words.next().zip(words.next()).ok_or_else(bad)?;
    let url = Url::parse("http://google/").and_then(|base| base.join(&target)).map_err(|_| bad())?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16).map_err(|_| bad())?;
            reader.take(size).read_to_end(&mut body)?;
            reader.read_line(&mut line)?;
            if size == 0 {
                break;
            }
        }
    } else {
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        reader.take(length).read_to_end(&mut body)?;
        if (body.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    Ok(Some(Request {
        method,
        path: url
            .path_segments()
            .into_iter()
            .flatten()
            .map(decoded)
            .filter(|text| !text.is_empty())
            .collect(),
        query: url.query_pairs().into_owned().collect(),
        headers,
        body: body.into(),
    }))
}
