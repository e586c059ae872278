//! HTTP as a fault proxy needs it: heads and bodies as they are on the wire, and answers of its own.

use super::{Request, at_once, find};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

pub struct Answer {
    pub status: u16,
    /// The status line and headers, as they are sent.
    pub head: String,
    pub body: Vec<u8>,
    /// Whether the server closes the connection after it.
    pub last: bool,
}

impl Answer {
    pub fn error(status: u16, code: &str) -> Answer {
        Answer::xml(
            status,
            format!(
                "<Error><Code>{code}</Code><Message>Injected by the test.</Message>\
                 <RequestId>fault</RequestId></Error>"
            ),
        )
    }

    pub fn redirect(status: u16, to: &str) -> Answer {
        let head = format!("HTTP/1.1 {status} Fault\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        Answer { status, head, body: Vec::new(), last: false }
    }

    /// Makes it end early, as if that were all of it.
    pub fn shorten(&mut self, bytes: usize) {
        let before = format!("content-length: {}\r\n", self.body.len());
        let at = self.head.to_ascii_lowercase().find(&before);
        if let Some(at) = at.filter(|_| bytes < self.body.len()) {
            self.body.truncate(bytes);
            self.head.replace_range(at..at + before.len(), &format!("content-length: {bytes}\r\n"));
        }
    }

    /// Makes the checksum it names another one: in a header, or in the document.
    pub fn name_another_sum(&mut self) {
        const NAMES: [&str; 3] = ["x-amz-checksum-crc64nvme: ", "crc32c=", "<ChecksumCRC64NVME>"];
        for name in NAMES {
            if let Some(at) = self.head.to_ascii_lowercase().find(&name.to_ascii_lowercase()) {
                let at = at + name.len();
                let other = if self.head[at..].starts_with('A') { "B" } else { "A" };
                self.head.replace_range(at..=at, other);
            }
            let text = String::from_utf8_lossy(&self.body);
            if let Some(at) = text.find(name).map(|at| at + name.len()) {
                self.body[at] = if self.body[at] == b'A' { b'B' } else { b'A' };
            }
        }
    }

    pub fn xml(status: u16, body: String) -> Answer {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Fault\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\r\n"
        );
        Answer { status, head, body: body.into(), last: false }
    }
}

/// Answers with a body that goes on until the client has enough.
pub fn endless(mut client: &TcpStream) -> io::Result<()> {
    client.write_all(
        b"HTTP/1.1 200 Fault\r\ncontent-type: application/xml\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
    loop {
        client.write_all(chunk.as_bytes())?;
    }
}

/// Sends a request on a connection of its own, and reads the whole answer.
pub fn forward(upstream: &str, head: &str, body: &[u8], method: &str) -> io::Result<Answer> {
    let mut server = TcpStream::connect(upstream).and_then(at_once)?;
    // A server may answer, and close, before it has read it all; its answer counts.
    let _ = server.write_all(head.as_bytes()).and_then(|()| server.write_all(body));
    let mut reader = BufReader::new(&server);
    loop {
        let head = read_head(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        if status == 100 {
            continue;
        }
        let headers = Request::parse(&head).map(|answer| answer.headers).unwrap_or_default();
        let empty = method == "HEAD" || status == 204 || status == 304;
        let body = if empty { Vec::new() } else { read_body(&mut reader, &headers, usize::MAX)? };
        let measured =
            empty || find(&headers, "content-length").or(find(&headers, "transfer-encoding")).is_some();
        let last =
            !measured || find(&headers, "connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        return Ok(Answer { status, head, body, last });
    }
}

/// Whether the client speaks HTTP/2, as Google's does for gRPC.
pub fn is_http2(client: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 3];
    loop {
        match client.peek(&mut first)? {
            0 => return Ok(false),
            3 => return Ok(&first == b"PRI"),
            _ => std::thread::yield_now(),
        }
    }
}

/// Passes a connection on as it is.
pub fn tunnel(client: &TcpStream, upstream: &str) -> io::Result<()> {
    let server = TcpStream::connect(upstream).and_then(at_once)?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let copied = io::copy(&mut &*client, &mut &server);
            copied.and_then(|_| server.shutdown(Shutdown::Both))
        });
        let copied = io::copy(&mut &server, &mut &*client);
        copied.and_then(|_| client.shutdown(Shutdown::Both))
    })
}

/// Reads up to and with the empty line; none where the connection ended instead.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// Reads a body as it is on the wire: measured, in chunks, or (where nothing says) up to `otherwise` bytes.
pub fn read_body(
    reader: &mut impl BufRead,
    headers: &[(String, String)],
    otherwise: usize,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if find(headers, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            body.extend_from_slice(line.as_bytes());
            reader.take(size + 2).read_to_end(&mut body)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = find(headers, "content-length").and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    reader.take(length as u64).read_to_end(&mut body)?;
    let whole = body.len() == length || length == usize::MAX;
    if whole { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
