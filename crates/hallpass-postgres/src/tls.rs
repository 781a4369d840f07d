//! TLS to the database: rustls, the server's certificate verified in full, channel binding (RFC 5929).

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hallpass_core::store::StoreError;
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    Socket,
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};

use crate::options::invalid;

/// Whose certificates are trusted, and which certificate this client has.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    authorities: Vec<CertificateDer<'static>>,
    client: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
}

impl Tls {
    pub(crate) fn add_authorities(&mut self, pem: &[u8]) -> Result<(), StoreError> {
        let what = "the database's CA certificates";
        self.authorities.extend(certificates(pem, what)?);
        Ok(())
    }

    pub(crate) fn set_client_certificate(
        &mut self,
        pem: &[u8],
        key: &[u8],
    ) -> Result<(), StoreError> {
        let chain = certificates(pem, "the client certificate for the database")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
            // The error names what was found and repeats nothing of the key.
            invalid("the key of the client certificate for the database can't be read")
                .with_source(error)
                .with_hint("use a private key in PEM without a passphrase")
        })?;
        self.client = Some((chain, Arc::new(key)));
        Ok(())
    }

    /// What connects with TLS.
    pub(crate) fn connector(&self) -> Result<Connector, StoreError> {
        if self.authorities.is_empty() {
            let what = "the database's certificate can't be verified: no CA certificates are set";
            return Err(invalid(what).with_hint(
                "set the CA certificates of the database, or those of the system \
                 (on Debian /etc/ssl/certs/ca-certificates.crt)",
            ));
        }
        let mut roots = RootCertStore::empty();
        // A bundle of a system may hold certificates that can't serve; others are enough then.
        let (added, _) = roots.add_parsable_certificates(self.authorities.iter().cloned());
        if added == 0 {
            let what = "none of the database's CA certificates can be used";
            return Err(
                invalid(what).with_hint("use certificates of certificate authorities, in PEM")
            );
        }
        let provider = rustls::crypto::ring::default_provider();
        let config = config(provider)?.with_root_certificates(roots);
        let mut config = match &self.client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => config
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| {
                    invalid("the client certificate for the database can't be used")
                        .with_source(error)
                        .with_hint("use the private key that belongs to the certificate")
                })?,
        };
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Connector(Some(Arc::new(config))))
    }
}

fn config(
    provider: CryptoProvider,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, StoreError> {
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("TLS can't be set up").with_source(error))
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found =
        found.map_err(|error| invalid(format!("{what} can't be read")).with_source(error))?;
    if found.is_empty() {
        let error = invalid(format!("there is no certificate in {what}"));
        return Err(error.with_hint("use certificates in PEM"));
    }
    Ok(found)
}

/// Connects with TLS; without a configuration it is not asked.
#[derive(Clone)]
pub(crate) struct Connector(Option<Arc<ClientConfig>>);

impl Connector {
    /// For a connection without TLS.
    pub(crate) const PLAIN: Self = Self(None);
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        Ok(Handshake {
            config: self.0.clone(),
            server: ServerName::try_from(domain.to_owned()).ok(),
        })
    }
}

pub(crate) struct Handshake {
    config: Option<Arc<ClientConfig>>,
    /// `None` for a name that is none, such as a path of a socket.
    server: Option<ServerName<'static>>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let (Some(config), Some(server)) = (self.config, self.server) else {
                return Err(io::Error::other("TLS needs the name of a host"));
            };
            let connector = tokio_rustls::TlsConnector::from(config);
            Ok(Stream(connector.connect(server, socket).await?))
        })
    }
}

pub(crate) struct Stream(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        match certificate.and_then(|certificate| end_point(certificate)) {
            Some(digest) => ChannelBinding::tls_server_end_point(digest),
            None => ChannelBinding::none(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// The digest of a certificate by the hash function of its signature, SHA-256 where that is MD5 or SHA-1 (RFC
/// 5929 §4.1). `None` where the algorithm has no single hash function, as Ed25519.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, … }, signature } (RFC
    // 5280 §4.1)
    let (body, _) = value(certificate, 0x30)?;
    let (_, rest) = value(body, 0x30)?;
    let (algorithm, _) = value(rest, 0x30)?;
    let (oid, _) = value(algorithm, 0x06)?;
    let (last, family) = oid.split_last()?;
    match (family, last) {
        (RSA, 4 | 5 | 11) | (ECDSA_SHA2, 2) => Some(Sha256::digest(certificate).to_vec()),
        (RSA, 12) | (ECDSA_SHA2, 3) => Some(Sha384::digest(certificate).to_vec()),
        (RSA, 13) | (ECDSA_SHA2, 4) => Some(Sha512::digest(certificate).to_vec()),
        _ if oid == ECDSA_SHA1 => Some(Sha256::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The value of the DER element with this tag at the beginning, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = length.iter().try_fold(0_usize, |sum, byte| {
            sum.checked_mul(256)?.checked_add(usize::from(*byte))
        });
        (length?, rest)
    };
    (found == tag).then_some(rest.split_at_checked(length)?)
}

#[cfg(test)]
mod tests;
