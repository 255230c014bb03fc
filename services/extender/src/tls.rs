//! TLS: certificate and key from files that are read anew when they change.
//!
//! A mounted Secret is replaced by a symbolic link, so contents are compared, not times. A pair
//! that can't be used is said once, and the old one stays in force.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tracing::{error, info};

use crate::config::Tls;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or has nothing that is wanted in it.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The parts don't fit each other.
    #[error("certificate and key can't be used: {0}")]
    Pair(#[from] rustls::Error),
    /// The authorities of client certificates can't be used.
    #[error("client authorities can't be used: {0}")]
    ClientCa(String),
}

/// The files' bytes.
#[derive(PartialEq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// Reads the files.
///
/// # Errors
///
/// [`TlsError`] names the file.
pub fn load(tls: &Tls) -> Result<RustlsConfig, TlsError> {
    Ok(RustlsConfig::from_config(Arc::new(Files::read(tls)?.server_config(tls)?)))
}

/// Looks at the files for ever, and puts new ones in force.
pub async fn keep_current(tls: Tls, config: RustlsConfig) {
    let mut seen = Files::read(&tls).ok();
    loop {
        tokio::time::sleep(LOOK).await;
        let Ok(files) = Files::read(&tls) else {
            // Between two files of one replacement; the next look sees both.
            continue;
        };
        if seen.as_ref() == Some(&files) {
            continue;
        }
        match files.server_config(&tls) {
            Ok(new) => {
                config.reload_from_config(Arc::new(new));
                info!("the certificate was replaced");
            }
            Err(problem) => error!(%problem, "the new certificate is refused, the old one stays"),
        }
        seen = Some(files);
    }
}

impl Files {
    fn read(tls: &Tls) -> Result<Self, TlsError> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|error| file_error(path, &error.to_string()));
        Ok(Self {
            certificate: read(&tls.certificate)?,
            key: read(&tls.key)?,
            client_ca: tls.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn server_config(&self, tls: &Tls) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate, &tls.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| file_error(&tls.key, &format!("no private key in PEM: {error}")))?;
        let builder = ServerConfig::builder();
        let builder = match self.client_ca.as_deref().zip(tls.client_ca.as_deref()) {
            None => builder.with_no_client_auth(),
            Some((authorities, path)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities, path)? {
                    roots.add(authority)?;
                }
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
                let verifier = verifier.map_err(|error| TlsError::ClientCa(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(file_error(path, "no certificate in PEM")),
        Err(error) => Err(file_error(path, &format!("no certificate in PEM: {error}"))),
    }
}

fn file_error(path: &Path, problem: &str) -> TlsError {
    TlsError::File { path: path.display().to_string(), problem: problem.to_owned() }
}
