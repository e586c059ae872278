//! A server that lies: a proxy in front of a real one that puts other values into its answers.

use crate::servers::at_once;
use crate::servers::postgres::{Cluster, PASSWORD, USER};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A lie.
pub enum Lie {
    /// Every value of the columns with this name becomes this text.
    Column(&'static str, String),
    /// This text becomes another wherever a value holds it.
    Text(String, String),
    /// This parameter of the session (`client_encoding`) is reported to have this value.
    Parameter(&'static str, String),
}

/// The proxy; it ends with the test process.
pub struct Liar {
    port: u16,
    told: Arc<Vec<AtomicUsize>>,
}

/// The codes with which a client asks for TLS or GSSAPI before it says anything else.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];

impl Liar {
    /// Lies in the name of this cluster.
    pub fn start(cluster: &Cluster, lies: Vec<Lie>) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), cluster.port);
        let told = Arc::new(lies.iter().map(|_| AtomicUsize::new(0)).collect::<Vec<_>>());
        let (lies, counts) = (Arc::new(lies), Arc::clone(&told));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (lies, counts) = (Arc::clone(&lies), Arc::clone(&counts));
                std::thread::spawn(move || {
                    let server = TcpStream::connect(("127.0.0.1", server)).and_then(at_once).unwrap();
                    // Whoever closes a connection midway is a client that has heard enough.
                    let _ = serve(client.and_then(at_once).unwrap(), server, &lies, &counts);
                });
            }
        });
        Liar { port, told }
    }

    /// A connection URL for a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Whether this lie has been used.
    pub fn has_told(&self, lie: usize) -> bool {
        self.told[lie].load(Ordering::Relaxed) > 0
    }

    /// Every lie has been used, or the test proves nothing.
    #[track_caller]
    pub fn has_told_all(&self) {
        let told: Vec<usize> = self.told.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert!(told.iter().all(|count| *count > 0), "how often each lie was told: {told:?}");
    }
}

fn serve(mut client: TcpStream, mut server: TcpStream, lies: &[Lie], told: &[AtomicUsize]) -> io::Result<()> {
    // What comes first has no type; nothing is encrypted here.
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut body)?;
        if ENCRYPTION.contains(&u32::from_be_bytes(body[..4].try_into().unwrap())) {
            client.write_all(b"N")?;
            continue;
        }
        server.write_all(&length)?;
        server.write_all(&body)?;
        break;
    }
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let mut columns = Vec::new();
    loop {
        let mut head = [0; 5];
        if server.read_exact(&mut head).is_err() {
            return client.shutdown(Shutdown::Both);
        }
        let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
        server.read_exact(&mut body)?;
        match head[0] {
            b'T' => columns = names(&body),
            b'D' => body = row(&body, &columns, lies, told),
            b'S' => body = parameter(body, lies, told),
            _ => {}
        }
        client.write_all(&head[..1])?;
        client.write_all(&(u32::try_from(body.len()).unwrap() + 4).to_be_bytes())?;
        client.write_all(&body)?;
    }
}

/// The columns' names in a RowDescription.
fn names(body: &[u8]) -> Vec<String> {
    let mut rest = &body[2..];
    let mut names = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        names.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        // Behind the name: table, column, type, its size and modifier, format.
        rest = &rest[end + 1 + 18..];
    }
    names
}

/// A DataRow with the lies in it.
fn row(body: &[u8], columns: &[String], lies: &[Lie], told: &[AtomicUsize]) -> Vec<u8> {
    let (mut lying, mut rest) = (body[..2].to_vec(), &body[2..]);
    for column in columns {
        let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
        let (head, after) = rest.split_at(4);
        let Ok(length) = usize::try_from(length) else {
            lying.extend_from_slice(head);
            rest = after;
            continue;
        };
        let (value, after) = after.split_at(length);
        rest = after;
        let value = told_value(value.to_vec(), column, lies, told);
        lying.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
        lying.extend_from_slice(&value);
    }
    lying
}

fn told_value(value: Vec<u8>, column: &str, lies: &[Lie], told: &[AtomicUsize]) -> Vec<u8> {
    let mut value = value;
    for (lie, told) in lies.iter().zip(told) {
        let before = value.clone();
        match lie {
            Lie::Column(name, text) if *name == column => value = text.clone().into_bytes(),
            Lie::Text(true_text, text) => {
                if let Ok(honest) = String::from_utf8(value.clone()) {
                    value = honest.replace(true_text, text).into_bytes();
                }
            }
            Lie::Column(..) | Lie::Parameter(..) => {}
        }
        told.fetch_add(usize::from(value != before), Ordering::Relaxed);
    }
    value
}

/// A ParameterStatus with the lies in it.
fn parameter(body: Vec<u8>, lies: &[Lie], told: &[AtomicUsize]) -> Vec<u8> {
    for (lie, told) in lies.iter().zip(told) {
        if let Lie::Parameter(name, value) = lie
            && body.starts_with(format!("{name}\0").as_bytes())
        {
            told.fetch_add(1, Ordering::Relaxed);
            return format!("{name}\0{value}\0").into_bytes();
        }
    }
    body
}
