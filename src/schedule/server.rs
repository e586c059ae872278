//! Answers `/healthz` and `/metrics`; nothing else, and to nobody for long.

use super::state::{Health, State};
use crate::error::{Error, Result};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How many connections are answered at the same time.
const AT_ONCE: usize = 16;
/// How long a connection may take; whoever collects metrics connects again.
const LONGEST: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted, because there are too many open files.
const PAUSE: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A port that is open.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: State,
    metrics: Option<PathBuf>,
}

impl Server {
    /// Opens the port. `metrics` is the file that runs write theirs into.
    pub async fn bind(address: SocketAddr, state: State, metrics: Option<PathBuf>) -> Result<Self> {
        let cannot = |e: std::io::Error| {
            Error::settings(format!("cannot listen on {address}: {e}"))
                .hint("give another address with --listen (PGSTOW_LISTEN)")
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, address, state, metrics })
    }

    /// Its address; with the port that was chosen, if it was to be any.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers as long as this runs.
    pub async fn serve(self) {
        let (places, state) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new((self.state, self.metrics)));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let state = Arc::clone(&state);
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(LONGEST, converse(stream, &state.0, &state.1)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!("a connection was not accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, state: &State, metrics: &Option<PathBuf>) {
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(answer(&request, state, metrics.as_deref()).await)
    });
    // Nothing is lost if whoever asked does not wait for the answer.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: &Request<Incoming>, state: &State, metrics: Option<&Path>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".into());
    }
    match request.uri().path() {
        "/healthz" => match state.health(Timestamp::now()) {
            Health::Good(what) => reply(StatusCode::OK, TEXT, format!("ok: {what}\n")),
            Health::Bad(why) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("bad: {why}\n")),
        },
        "/metrics" => {
            let of_runs = match metrics {
                Some(file) => tokio::fs::read_to_string(file).await.unwrap_or_default(),
                None => String::new(),
            };
            reply(StatusCode::OK, METRICS, of_runs + &state.metrics())
        }
        _ => reply(StatusCode::NOT_FOUND, TEXT, "there are /healthz and /metrics\n".into()),
    }
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
