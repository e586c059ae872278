//! TLS in front of a server that has none, with a certificate of an authority that no machine trusts.

use super::{folder, run};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A running server; it ends with the process.
pub struct Tls {
    port: u16,
    folder: TempDir,
}

impl Tls {
    /// Starts one in front of an endpoint such as `http://127.0.0.1:3900`.
    pub fn start(endpoint: &str) -> Tls {
        let folder = folder("tls");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let openssl = |words: &[&str]| run(Command::new("openssl").args(words));
        let subject = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-batch"];
        let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=nobody's authority"];
        openssl(&[&authority[..], &subject, &["-keyout", &file("ca.key"), "-out", &file("ca.pem")]].concat());
        let request = ["req", "-subj", "/CN=localhost"];
        openssl(&[&request[..], &subject, &["-keyout", &file("key.pem"), "-out", &file("csr.pem")]].concat());
        std::fs::write(file("names"), "subjectAltName=DNS:localhost\n").unwrap();
        let sign = ["x509", "-req", "-days", "2", "-CAcreateserial", "-extfile", &file("names")];
        let with = ["-in", &file("csr.pem"), "-CA", &file("ca.pem"), "-CAkey", &file("ca.key")];
        openssl(&[&sign[..], &with, &["-out", &file("cert.pem")]].concat());

        let chain = vec![CertificateDer::from_pem_file(file("cert.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        // gRPC insists on its own; whoever speaks both gets the first.
        config.alpn_protocols = ["http/1.1", "h2"].map(|name| name.as_bytes().to_vec()).to_vec();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
        std::thread::spawn(move || serve(listener, Arc::new(config), upstream));
        Tls { port, folder }
    }

    /// Where to send requests.
    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The certificate of its authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(listener: std::net::TcpListener, config: Arc<ServerConfig>, upstream: String) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let _ = client.set_nodelay(true);
        let (acceptor, upstream) = (TlsAcceptor::from(Arc::clone(&config)), upstream.clone());
        tokio::spawn(async move {
            // Clients that do not trust it go away.
            let Ok(mut client) = acceptor.accept(client).await else { return };
            let Ok(mut server) = TcpStream::connect(upstream).await else { return };
            let _ = server.set_nodelay(true);
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
