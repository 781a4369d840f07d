//! A certificate authority for tests, and the TLS that the servers and the user speak.

use std::{io, sync::Arc};

use hallpass_core::BoxFuture;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, crypto::CryptoProvider, server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

/// A certificate authority that only the tests trust.
#[derive(Debug)]
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    certificate_pem: String,
    key_pem: String,
}

/// How a server speaks TLS.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// What the server shows.
    pub identity: Identity,
    /// The authority, as PEM, that a client's certificate must come from; `None` asks for none.
    pub client_ca_pem: Option<String>,
}

impl TestCa {
    /// A new authority with a key of its own.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn new() -> io::Result<Self> {
        Self::named("Hallpass test CA")
    }

    /// A new authority of another name.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn named(name: &str) -> io::Result<Self> {
        let mut params = params(&[], name)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        Ok(Self { issuer })
    }

    /// The authority's certificate as PEM, which is what a client has to trust.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for `127.0.0.1`, `::1` and `localhost`.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes; so with all that this authority issues.
    pub fn server(&self) -> io::Result<Identity> {
        self.issue(
            params(&LOOPBACK, "loopback")?,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// A server's certificate for other names or addresses: `wrong.example` is one that no client
    /// of a loopback server may accept.
    ///
    /// # Errors
    ///
    /// When a name can't stand in a certificate, or as [`server`](Self::server).
    pub fn server_named(&self, names: &[&str]) -> io::Result<Identity> {
        let subject = names.first().copied().unwrap_or("nameless");
        self.issue(params(names, subject)?, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A server's certificate for the loopback names that ran out at the end of 2020.
    ///
    /// # Errors
    ///
    /// As [`server`](Self::server).
    pub fn expired_server(&self) -> io::Result<Identity> {
        let mut params = params(&LOOPBACK, "loopback, expired")?;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 12, 31);
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A server's certificate for the loopback names that is good from 2048 on.
    ///
    /// # Errors
    ///
    /// As [`server`](Self::server).
    pub fn future_server(&self) -> io::Result<Identity> {
        let mut params = params(&LOOPBACK, "loopback, not yet")?;
        params.not_before = date_time_ymd(2048, 1, 1);
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate.
    ///
    /// # Errors
    ///
    /// As [`server`](Self::server).
    pub fn client(&self, name: &str) -> io::Result<Identity> {
        self.issue(params(&[], name)?, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> io::Result<Identity> {
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        Ok(Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

impl Identity {
    /// A certificate (with its chain, the leaf first) and a PKCS#8 key that came from elsewhere.
    pub fn from_pem(certificate_pem: impl Into<String>, key_pem: impl Into<String>) -> Self {
        Self {
            certificate_pem: certificate_pem.into(),
            key_pem: key_pem.into(),
        }
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key as PEM (PKCS#8).
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    fn key(&self) -> io::Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(io::Error::other)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl From<Identity> for ServerTls {
    fn from(identity: Identity) -> Self {
        Self {
            identity,
            client_ca_pem: None,
        }
    }
}

/// A connection after its TLS handshake.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Does the TLS handshake of a connection.
pub(crate) type Accept =
    Arc<dyn Fn(TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// Makes an [`Accept`], or says what is wrong with the certificate.
///
/// Behind a pointer, so that a program whose servers speak plain http alone does not contain a TLS server.
pub(crate) type MakeAccept = Arc<dyn Fn() -> io::Result<Accept> + Send + Sync>;

impl ServerTls {
    pub(crate) fn make_accept(self) -> MakeAccept {
        Arc::new(move || {
            let acceptor = TlsAcceptor::from(server_config(&self)?);
            Ok(Arc::new(move |stream| {
                let handshake = acceptor.accept(stream);
                Box::pin(async move { Ok(Box::new(handshake.await?) as Box<dyn Stream>) })
            }))
        })
    }
}

/// What rustls needs to be the server.
fn server_config(tls: &ServerTls) -> io::Result<Arc<ServerConfig>> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match &tls.client_ca_pem {
        None => builder.with_no_client_auth(),
        Some(pem) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pem)?), provider())
                .build()
                .map_err(io::Error::other)?,
        ),
    };
    let mut config = builder
        .with_single_cert(
            certificates(&tls.identity.certificate_pem)?,
            tls.identity.key()?,
        )
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What rustls needs to be a client that trusts one authority and no other, and shows `identity` to
/// servers that ask for a certificate.
pub(crate) fn client_config(
    ca_pem: &str,
    identity: Option<&Identity>,
) -> io::Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots(ca_pem)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(certificates(&identity.certificate_pem)?, identity.key()?)
            .map_err(io::Error::other)?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn params(names: &[&str], subject: &str) -> io::Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.distinguished_name.push(DnType::CommonName, subject);
    Ok(params)
}

fn roots(pem: &str) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(io::Error::other)?;
    }
    Ok(roots)
}

fn certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

/// Named here, so that nothing depends on a provider that the process has or has not installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

const LOOPBACK: [&str; 3] = ["127.0.0.1", "::1", "localhost"];
