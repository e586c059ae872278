//! A proxy in front of an S3 server that makes chosen requests go wrong, and notes every request.
//!
//! Requests pass unchanged, `Host` included, so that their signatures hold. Bodies are held in memory:
//! it is meant for faults, not for figures. Connections of HTTP/2 pass as they are.

mod wire;

use super::at_once;
use crate::harness::eventually;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::{Answer, endless, forward, is_http2, read_body, read_head, tunnel};

/// What a request asks the store to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    CreateUpload,
    UploadPart,
    CompleteUpload,
    AbortUpload,
    ListParts,
    ListUploads,
    Put,
    Get,
    Head,
    Delete,
    List,
    Other,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub operation: Operation,
    pub method: String,
    /// The path, still percent-encoded: `/bucket/key`.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's length; 0 until it has been read.
    pub body_bytes: usize,
    /// The status that was answered; none while unanswered, or when no answer was let through.
    pub status: Option<u16>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The number of the part it uploads.
    pub fn part(&self) -> Option<u32> {
        find(&self.query, "partNumber")?.parse().ok()
    }

    fn parse(head: &str) -> Option<Request> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let query = query.split('&').filter(|text| !text.is_empty());
        let query: Vec<_> = query.map(|text| pair(text.split_once('=').unwrap_or((text, "")))).collect();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let operation = operation(&method, path, &query);
        Some(Request {
            operation,
            method,
            path: path.to_owned(),
            query,
            headers,
            body_bytes: 0,
            status: None,
        })
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
}

fn operation(method: &str, path: &str, query: &[(String, String)]) -> Operation {
    let has = |name| find(query, name).is_some();
    let of_bucket = path.trim_matches('/').split_once('/').is_none();
    match method {
        "POST" if has("uploadType") => Operation::Put,
        "POST" if has("uploads") => Operation::CreateUpload,
        "POST" if has("uploadId") => Operation::CompleteUpload,
        "PUT" if has("uploadId") => Operation::UploadPart,
        "DELETE" if has("uploadId") => Operation::AbortUpload,
        "GET" if has("uploadId") => Operation::ListParts,
        "GET" if has("uploads") => Operation::ListUploads,
        "GET" if of_bucket => Operation::List,
        _ if of_bucket => Operation::Other,
        "PUT" => Operation::Put,
        "GET" => Operation::Get,
        "HEAD" => Operation::Head,
        "DELETE" => Operation::Delete,
        _ => Operation::Other,
    }
}

/// Turns one bit over.
fn flip(bytes: &mut [u8], place: usize) {
    if let Some(length) = std::num::NonZeroUsize::new(bytes.len()) {
        bytes[place % length] ^= 1;
    }
}

/// What happens to a request instead of what should.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The server never sees it; this status and S3 error code are answered. 200 makes an error in a success.
    Answer(u16, &'static str),
    /// The server never sees it; this is the body of a success instead.
    Instead(fn(&Request) -> String),
    /// The server never sees it; a success is answered whose body never ends.
    Endless,
    /// The server never sees it; this status is answered, with another server's address.
    Redirect(u16, String),
    /// The server does it; this status and S3 error code are answered all the same.
    DoneButAnswer(u16, &'static str),
    /// The server does it; the connection is closed without an answer.
    LoseAnswer,
    /// The request is read and nothing ever answered.
    Swallow,
    /// After this many bytes of the request's body nothing is read any more, nor answered.
    Deaf(usize),
    /// The connection is reset after this many bytes of the request's body.
    Reset(usize),
    /// The answer's body breaks off after this many bytes.
    Cut(usize),
    /// The answer's body stands still after this many bytes.
    Stall(usize),
    /// After this many bytes of the answer's body, one byte comes every tenth of a second.
    Drip(usize),
    /// The answer's body has this many bytes, and says that this is all of it.
    Short(usize),
    /// The answer names another checksum than the server did.
    WrongSum,
    /// One bit of the answer's body is turned over, in the byte at this place (counted round and round).
    Flip(usize),
    /// One bit of the request's body is turned over, in the byte at this place (counted round and round).
    FlipRequest(usize),
    /// The request reaches the server this much later.
    Delay(Duration),
}

/// Which requests a fault is for. All that is not said matches.
pub struct Rule {
    operation: Operation,
    part: Option<u32>,
    key_end: String,
    when: Box<dyn Fn(&Request) -> bool + Send>,
    skip: usize,
    times: usize,
    fault: Fault,
    name: &'static str,
}

impl Rule {
    /// This fault for every such request.
    pub fn new(operation: Operation, fault: Fault) -> Rule {
        let when = Box::new(|_: &Request| true);
        Rule {
            operation,
            part: None,
            key_end: String::new(),
            when,
            skip: 0,
            times: usize::MAX,
            fault,
            name: "",
        }
    }

    /// Only for this part.
    pub fn part(self, number: u32) -> Rule {
        Rule { part: Some(number), ..self }
    }

    /// Only for keys that end so.
    pub fn key_end(self, end: &str) -> Rule {
        Rule { key_end: end.to_owned(), ..self }
    }

    /// Only for requests like this.
    pub fn when(self, when: impl Fn(&Request) -> bool + Send + 'static) -> Rule {
        Rule { when: Box::new(when), ..self }
    }

    /// Lets this many pass first.
    pub fn after(self, skip: usize) -> Rule {
        Rule { skip, ..self }
    }

    /// Counts under this name ([`FaultProxy::struck`]).
    pub fn named(self, name: &'static str) -> Rule {
        Rule { name, ..self }
    }

    /// Strikes this many times, then never again.
    pub fn times(self, times: usize) -> Rule {
        Rule { times, ..self }
    }

    /// Whether it strikes now; counts.
    fn strikes(&mut self, request: &Request) -> bool {
        let meant = self.operation == request.operation
            && self.part.is_none_or(|part| request.part() == Some(part))
            && request.path.ends_with(&self.key_end)
            && (self.when)(request);
        if !meant || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    log: Mutex<Vec<Request>>,
    /// The names of the rules that struck, once for each time.
    struck: Mutex<Vec<&'static str>>,
    closed: AtomicBool,
    /// Whether connections are refused.
    away: AtomicBool,
    /// The connections that are open, by the client's port.
    clients: Mutex<BTreeMap<u16, TcpStream>>,
}

/// A running proxy; ends on drop.
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// Starts a proxy in front of an endpoint such as `http://127.0.0.1:3900`.
    pub fn start(endpoint: &str) -> FaultProxy {
        let upstream = endpoint.strip_prefix("http://").expect("only plain HTTP").to_owned();
        let (mut listener, port) = super::listen();
        let shared = Arc::new(Shared::default());
        let ours = shared.clone();
        std::thread::spawn(move || {
            while ours.listen(&listener, &upstream) {
                drop(listener);
                while ours.away.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                listener = super::listen_again(port);
            }
        });
        FaultProxy { port, shared }
    }

    /// The network is gone for this long: open connections break, and new ones are refused.
    pub fn outage(&self, time: Duration) {
        self.shared.away.store(true, Ordering::Relaxed);
        self.wake();
        for client in std::mem::take(&mut *self.shared.clients.lock().unwrap()).values() {
            let _ = client.shutdown(Shutdown::Both);
        }
        std::thread::sleep(time);
        self.shared.away.store(false, Ordering::Relaxed);
    }

    /// Lets the listener see what has changed.
    fn wake(&self) {
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }

    /// Where to send requests.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Adds a rule; of those that match, the first one added strikes.
    pub fn inject(&self, rule: Rule) {
        self.shared.rules.lock().unwrap().push(rule);
    }

    /// Forgets all rules.
    pub fn heal(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// The names of the rules that struck so far, once for each time.
    pub fn struck(&self) -> Vec<&'static str> {
        self.shared.struck.lock().unwrap().clone()
    }

    /// The requests so far, in the order in which they came.
    pub fn log(&self) -> Vec<Request> {
        self.shared.log.lock().unwrap().clone()
    }

    /// How many requests of this kind have come so far.
    pub fn count(&self, operation: Operation) -> usize {
        self.shared.log.lock().unwrap().iter().filter(|request| request.operation == operation).count()
    }

    /// Waits until this many requests of this kind have come.
    #[track_caller]
    pub fn wait_for(&self, operation: Operation, count: usize) {
        eventually(&format!("{count} × {operation:?}"), || self.count(operation) >= count);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.wake();
    }
}

impl Shared {
    /// Accepts connections until the network is gone, or (false) the proxy.
    fn listen(self: &Arc<Self>, listener: &TcpListener, upstream: &str) -> bool {
        for client in listener.incoming() {
            if self.closed.load(Ordering::Relaxed) {
                return false;
            }
            if self.away.load(Ordering::Relaxed) {
                break;
            }
            let Some((client, port)) = client.and_then(at_once).ok().and_then(|client| {
                let port = client.peer_addr().ok()?.port();
                self.clients.lock().unwrap().insert(port, client.try_clone().ok()?);
                Some((client, port))
            }) else {
                continue;
            };
            let (shared, upstream) = (Arc::clone(self), upstream.to_owned());
            std::thread::spawn(move || {
                // A broken connection is what this proxy is for.
                let _ = shared.serve(&client, &upstream);
                // Another copy would keep it open.
                shared.clients.lock().unwrap().remove(&port);
            });
        }
        true
    }

    /// Serves one connection, request after request.
    fn serve(&self, client: &TcpStream, upstream: &str) -> io::Result<()> {
        if is_http2(client)? {
            return tunnel(client, upstream);
        }
        let mut reader = BufReader::new(client);
        while let Some(head) = read_head(&mut reader)? {
            let Some(request) = Request::parse(&head) else { return Ok(()) };
            let entry = {
                let mut log = self.log.lock().unwrap();
                log.push(request.clone());
                log.len() - 1
            };
            let mut rules = self.rules.lock().unwrap();
            let rule = rules.iter_mut().find_map(|rule| rule.strikes(&request).then_some(&*rule));
            self.struck.lock().unwrap().extend(rule.map(|rule| rule.name));
            let fault = rule.map(|rule| rule.fault.clone());
            drop(rules);

            if request.header("expect").is_some() {
                (&mut &*client).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            if let Some(Fault::Reset(after)) = fault {
                // Unread bytes make the kernel send a reset when the socket is closed.
                io::copy(&mut (&mut reader).take(after as u64), &mut io::sink())?;
                return Ok(());
            }
            if let Some(Fault::Deaf(after)) = fault {
                io::copy(&mut (&mut reader).take(after as u64), &mut io::sink())?;
                return self.stand_still();
            }
            let mut body = read_body(&mut reader, &request.headers, 0)?;
            if let Some(Fault::FlipRequest(place)) = fault {
                flip(&mut body, place);
            }
            self.log.lock().unwrap()[entry].body_bytes = body.len();

            let forward = || forward(upstream, &head, &body, &request.method);
            let mut answer = match fault {
                Some(Fault::Answer(status, code)) => Answer::error(status, code),
                Some(Fault::Redirect(status, ref to)) => {
                    Answer::redirect(status, &format!("{to}{}", request.path))
                }
                Some(Fault::Instead(body)) => Answer::xml(200, body(&request)),
                Some(Fault::Endless) => return endless(client),
                Some(Fault::DoneButAnswer(status, code)) => forward().map(|_| Answer::error(status, code))?,
                Some(Fault::LoseAnswer) => return forward().and_then(|_| client.shutdown(Shutdown::Both)),
                Some(Fault::Swallow) => return self.stand_still(),
                Some(Fault::Delay(time)) => {
                    std::thread::sleep(time);
                    forward()?
                }
                _ => forward()?,
            };
            if request.method == "HEAD" {
                answer.body.clear();
            }
            match fault {
                Some(Fault::Flip(place)) => flip(&mut answer.body, place),
                Some(Fault::Short(bytes)) => answer.shorten(bytes),
                Some(Fault::WrongSum) => answer.name_another_sum(),
                _ => {}
            }
            (&mut &*client).write_all(answer.head.as_bytes())?;
            if let Some(Fault::Cut(at) | Fault::Stall(at) | Fault::Drip(at)) = fault {
                let (first, rest) = answer.body.split_at(at.min(answer.body.len()));
                (&mut &*client).write_all(first)?;
                return match fault {
                    Some(Fault::Stall(_)) => self.stand_still(),
                    Some(Fault::Drip(_)) => self.drip(client, rest),
                    _ => client.shutdown(Shutdown::Both),
                };
            }
            self.log.lock().unwrap()[entry].status = Some(answer.status);
            (&mut &*client).write_all(&answer.body)?;
            if answer.last {
                break;
            }
        }
        Ok(())
    }

    /// Sends byte after byte, slowly.
    fn drip(&self, mut client: &TcpStream, rest: &[u8]) -> io::Result<()> {
        for byte in rest.chunks(1) {
            if self.closed.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            client.write_all(byte)?;
        }
        Ok(())
    }

    /// Keeps the connection open and silent for as long as the proxy is there.
    fn stand_still(&self) -> io::Result<()> {
        while !self.closed.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::garage::Garage;
    use super::super::s3::wait;
    use super::*;

    #[test]
    fn passes_everything_through_signed_as_it_was() {
        let place = Garage::shared().place("fault-pass");
        let proxy = FaultProxy::start(&place.endpoint);
        super::super::s3::behaves(&place.through(&proxy.endpoint()));
        let log = proxy.log();
        let first = log.first().unwrap();
        assert_eq!((first.operation, first.body_bytes, first.status), (Operation::Put, 3, Some(200)));
        assert!(first.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256"));
        assert_eq!(proxy.count(Operation::CreateUpload), 1);
        assert_eq!(proxy.count(Operation::AbortUpload), 1);
    }

    #[test]
    fn strikes_where_it_is_told() {
        let place = Garage::shared().place("fault-strike");
        place.put("object", "0123456789");
        let proxy = FaultProxy::start(&place.endpoint);
        let client = place.through(&proxy.endpoint()).client();
        let key = format!("{}/object", place.prefix);
        let get = || {
            let request = client.get_object().bucket(&place.bucket).key(&key);
            wait(async {
                let bytes =
                    request.send().await.map_err(|e| e.raw_response().map_or(0, |r| r.status().as_u16()))?;
                bytes.body.collect().await.map(aws_sdk_s3::primitives::AggregatedBytes::to_vec).map_err(|_| 1)
            })
        };
        let rule = |fault| proxy.inject(Rule::new(Operation::Get, fault).key_end("/object").times(1));

        rule(Fault::Answer(403, "AccessDenied"));
        assert_eq!(get(), Err(403));
        rule(Fault::Flip(13));
        assert_eq!(get().unwrap(), b"0122456789");
        rule(Fault::Cut(4));
        assert_eq!(get(), Err(1));
        rule(Fault::Answer(503, "SlowDown"));
        assert_eq!(get().unwrap(), b"0123456789", "the client tries again");
        rule(Fault::LoseAnswer);
        assert_eq!(get().unwrap(), b"0123456789");
        assert_eq!(get().unwrap(), b"0123456789");

        let put = client.put_object().bucket(&place.bucket).key(&key).body(vec![1; 1_000_000].into());
        proxy.inject(Rule::new(Operation::Put, Fault::Reset(1000)).times(1));
        wait(async { put.send().await.unwrap() });
        assert_eq!(proxy.count(Operation::Put), 2, "the client tries again");
    }

    #[test]
    fn stands_still_until_it_is_gone() {
        let place = Garage::shared().place("fault-still");
        let proxy = FaultProxy::start(&place.endpoint);
        proxy.inject(Rule::new(Operation::List, Fault::Swallow).times(1));
        let mut client = TcpStream::connect(proxy.endpoint().strip_prefix("http://").unwrap()).unwrap();
        client.write_all(b"GET /pgstow HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        proxy.wait_for(Operation::List, 1);
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert!(client.read(&mut [0]).is_err());
        drop(proxy);
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}
