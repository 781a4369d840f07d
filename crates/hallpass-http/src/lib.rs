//! One configured HTTP client for every request of MCP authorization: metadata, registration, tokens
//! and MCP itself.
//!
//! A certificate authority, a proxy, a client certificate or a header that holds for the MCP server
//! holds for its authorization server too, because both are reached through the same [`Client`]. It
//! implements [`hallpass_core::HttpClient`] and is useful without the rest of Hallpass wherever URLs
//! come from the other side.
//!
//! - [`HttpConfig`] is plain data: [`Trust`] and [`CaBundle`], [`ClientIdentity`], [`ProxyConfig`],
//!   [`OriginHeaders`], the [`Origin`]s that the user configured, the [`Resolver`].
//! - Headers of one origin never reach another; redirects are followed on the same origin only, and
//!   where the request's policy says so (RFC 9110 §15.4).
//! - What a server's metadata names must be on the public internet or on a network of that server's
//!   own class ([`AddressClass`]); the address that was judged is the one that is connected to. Where a
//!   browser is sent is judged by the text of its URL
//!   ([`check_navigation`](hallpass_core::HttpClient::check_navigation)).
//! - Bodies are capped after decompression; connecting, the response's head, each pause and the
//!   whole have time limits.
//! - Errors keep their cause and lose their URL's secrets: [`CertificateRefused`] shows the chain
//!   that was presented, [`HandshakeError`] what kind of TLS handshake failed, [`AddressRefused`] the
//!   address that was refused, [`ProxyRefused`] the proxy that wants other credentials.
//!   [`HandshakeLog`] notes what servers presented and who accepted it.
//!
//! # Compressed answers
//!
//! A host that wants gzip adds reqwest's feature to its own `Cargo.toml`; each client then accepts it.
//! Without the feature nothing is compressed, and no crate of compression is built:
//!
//! ```toml
//! reqwest = { version = "0.13", default-features = false, features = ["gzip"] }
//! ```
//!
//! # Other cryptography
//!
//! TLS is `ring`'s. [`HttpConfig::crypto_provider`] takes another of rustls's providers. Its type is rustls's
//! and is [exported](CryptoProvider) from here: another version of rustls is another version of this crate.
//!
//! # Readers that pause, and servers that flood
//!
//! A body is read from the network only as its reader asks for it, and the time in which the reader asks
//! for nothing counts as no pause of the server. A paused HTTP/2 stream keeps 128 KiB at most. The
//! connection has room for 320 of them, so that they do not stop its other streams.
//!
//! These end an HTTP/2 request or its connection: a list of more than 16 KiB of header fields, more than
//! five CONTINUATION frames without an end, 100 empty DATA frames, many small DATA frames that are not
//! read, `RST_STREAM`, and frames that a server must not send. The HTTP/2 library has no limit for frames
//! that it answers or skips: PING, SETTINGS, PRIORITY, unknown frames and 1xx responses. It keeps none of
//! them, and reads no more while the server does not read its answers. Here the time limits of the request
//! hold: the whole of a metadata, token or registration request ends after 30 seconds, an MCP request when
//! its head or its next chunk does not come.
//!
//! # What it does not do
//!
//! It knows nothing of OAuth, keeps no cookies, retries nothing that a server may have acted on,
//! never reads the environment, and neither installs nor reads a process-wide TLS provider. Futures need a tokio
//! runtime with its timers.
//!
//! # Example
//!
//! ```no_run
//! use bytes::Bytes;
//! use hallpass_core::{HttpClient, ServerUrl, http::RequestOptions};
//! use hallpass_http::{CaBundle, Client, HttpConfig, ProxyConfig, Trust};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(
//!     HttpConfig::default()
//!         .with_trust(Trust::PlatformPlus(CaBundle::from_file("/etc/corp/ca.pem")?))
//!         .with_proxy(ProxyConfig::from_environment_values(|_name| None)?),
//! )?;
//! let server = ServerUrl::parse("https://mcp.example.com/mcp")?;
//! let request = http::Request::get(
//!     "https://mcp.example.com/.well-known/oauth-protected-resource",
//! );
//! let client: &dyn HttpClient = &client;
//! let answer = client
//!     .fetch(request.body(Bytes::new())?, RequestOptions::metadata(&server))
//!     .await?;
//! assert!(answer.status().is_success());
//! # Ok(())
//! # }
//! ```

mod body;
mod certificate_request;
mod client;
mod config;
mod failure;
mod identity;
mod origin;
mod policy;
mod pools;
mod proxy;
mod redirect;
mod resolver;
mod trust;

pub use client::Client;
pub use config::{HttpConfig, HttpConfigError};
pub use failure::{HandshakeError, HandshakeFault};
/// What the address policy judges by, and what it refuses.
pub use hallpass_core::{AddressClass, AddressRefused};
pub use identity::{ClientIdentity, ClientIdentityError};
pub use origin::{Origin, OriginError, OriginHeaders};
pub use proxy::{NoProxy, Proxy, ProxyConfig, ProxyError, ProxyRefused};
pub use redirect::RedirectRefused;
pub use resolver::{Resolver, SystemResolver};
pub use rustls::crypto::CryptoProvider;
pub use trust::{
    CaBundle, CaBundleError, CaProblem, Certificate, CertificateFault, CertificateRefused,
    Handshake, HandshakeLog, Trust, TrustAnchor,
};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
