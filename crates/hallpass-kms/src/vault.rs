//! The Transit engine of HashiCorp Vault, as its documentation describes it: `POST /v1/transit/encrypt/:name`
//! and `POST /v1/transit/decrypt/:name`. The context goes along as associated data, so Vault refuses to
//! decrypt for another tenant.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hallpass_core::{
    BoxFuture, Diagnostic as _, HttpClient, Remedy, RequestSecrets, ServerUrl, ServerWords,
    TokenSource,
    http::{Redirects, RequestOptions, RequestTarget},
    quote,
};
use hallpass_seal::{KeyEncryption, KeyError, KeyErrorKind, SealingKey};
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

/// How long one request may take. A load waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// A key of Vault's Transit engine.
#[derive(Clone)]
pub struct VaultTransit {
    http: Arc<dyn HttpClient>,
    server: ServerUrl,
    mount: String,
    key: String,
    namespace: Option<String>,
    token: Arc<dyn TokenSource>,
    name: String,
}

impl VaultTransit {
    /// The key `key` of the engine that is mounted at `transit`. The token is read for each request, so it
    /// may be a file that an agent renews.
    ///
    /// # Errors
    ///
    /// When `address` is no `https` URL (`http` on this machine alone), or the key's name is not one of a
    /// path.
    pub fn new(
        http: Arc<dyn HttpClient>,
        address: &str,
        key: &str,
        token: Arc<dyn TokenSource>,
    ) -> Result<Self, KeyError> {
        let server = ServerUrl::parse(address).map_err(|error| {
            KeyError::new(KeyErrorKind::Unusable, "the address of Vault can't be used")
                .with_hints(error.hints())
                .with_source(error)
        })?;
        let vault = Self {
            http,
            server,
            mount: "transit".to_owned(),
            key: segment("key", key)?,
            namespace: None,
            token,
            name: String::new(),
        };
        Ok(vault.named())
    }

    /// Where the engine is mounted, if not at `transit`.
    ///
    /// # Errors
    ///
    /// When it is no path.
    pub fn with_mount(mut self, mount: &str) -> Result<Self, KeyError> {
        let parts = mount.trim_matches('/').split('/');
        let parts: Result<Vec<_>, _> = parts.map(|part| segment("mount", part)).collect();
        self.mount = parts?.join("/");
        Ok(self.named())
    }

    /// The namespace that the engine is in (Vault Enterprise, OpenBao).
    ///
    /// # Errors
    ///
    /// When it is no path.
    pub fn with_namespace(mut self, namespace: &str) -> Result<Self, KeyError> {
        let parts = namespace.trim_matches('/').split('/');
        let parts: Result<Vec<_>, _> = parts.map(|part| segment("namespace", part)).collect();
        self.namespace = Some(parts?.join("/"));
        Ok(self.named())
    }

    /// The name that is kept beside what it wraps. The address is not in it: it may change.
    fn named(mut self) -> Self {
        let namespace = self
            .namespace
            .as_ref()
            .map(|it| format!("{it}/"))
            .unwrap_or_default();
        self.name = format!("vault:{namespace}{}/{}", self.mount, self.key);
        self
    }

    /// Sends a request. `doing` says what for. The words of an answer are shown where the request held no
    /// key.
    async fn post(
        &self,
        operation: &str,
        body: Zeroizing<Vec<u8>>,
        shows_words: bool,
    ) -> Result<Bytes, KeyError> {
        let doing = format!("{operation} of `{}` by Vault", self.name);
        let token = self.token.read().await.map_err(|error| {
            let what = format!("{doing}: there is no token of Vault");
            KeyError::new(KeyErrorKind::Unavailable, what).with_cause(error)
        })?;
        let base = self.server.url().as_str().trim_end_matches('/');
        let uri = format!("{base}/v1/{}/{operation}/{}", self.mount, self.key);
        let unusable =
            |what: &str| KeyError::new(KeyErrorKind::Unusable, format!("{doing}: {what}"));
        let mut value = HeaderValue::from_str(token.expose())
            .map_err(|_| unusable("the token of Vault can't stand in a header"))?;
        value.set_sensitive(true);
        let mut request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-vault-request", "true")
            .header("x-vault-token", value);
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        let request = request
            .body(Bytes::copy_from_slice(&body))
            .map_err(|error| unusable("the request can't be made").with_source(error))?;
        let options = RequestOptions {
            server: self.server.clone(),
            target: RequestTarget::KeyManagement,
            redirects: Redirects::None,
            timeout: Some(TIMEOUT),
            response_timeout: None,
            idle_timeout: None,
            body_cap: MAX_ANSWER,
        };
        let response = self.http.fetch(request, options).await.map_err(|error| {
            KeyError::new(KeyErrorKind::Unavailable, doing.clone()).with_cause(error)
        })?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        Err(refusal(&doing, &response, shows_words))
    }

    /// An answer that is no answer of Transit.
    fn malformed(&self, operation: &str) -> KeyError {
        let what = format!(
            "{operation} of `{}` by Vault: the answer can't be read",
            self.name
        );
        KeyError::new(KeyErrorKind::Unusable, what)
            .with_hint("check that the address is Vault's, and not that of a page before it")
    }
}

/// Why Vault does not answer, and what to do about it.
fn refusal(doing: &str, response: &Response<Bytes>, shows_words: bool) -> KeyError {
    let status = response.status();
    let (kind, remedy, hint) = match status.as_u16() {
        400 => (
            KeyErrorKind::Unusable,
            Remedy::Configure,
            "check that the key is of a type with associated data (aes256-gcm96), and not older than its \
             min_decryption_version; a data key of another tenant does not open",
        ),
        403 => (
            KeyErrorKind::Locked,
            Remedy::Configure,
            "renew the token of Vault, or let its policy `update` the key's encrypt and decrypt paths",
        ),
        404 => (
            KeyErrorKind::Absent,
            Remedy::Configure,
            "check the address, the mount and the namespace of the engine, and the name of the key",
        ),
        503 => (
            KeyErrorKind::Unavailable,
            Remedy::Retry,
            "unseal Vault, if it is sealed",
        ),
        429 | 412 | 472 | 473 | 500.. => (
            KeyErrorKind::Unavailable,
            Remedy::Retry,
            "check Vault's health",
        ),
        _ => (
            KeyErrorKind::Unusable,
            Remedy::Configure,
            "check that the address is Vault's, and not that of a page before it",
        ),
    };
    let error = KeyError::new(kind, format!("{doing} was refused with {status}"))
        .with_remedy(remedy)
        .with_hint(hint);
    let secrets = RequestSecrets::from_extensions(response.extensions());
    match ServerWords::in_body(response.body(), secrets).filter(|_| shows_words) {
        Some(words) => error.with_source(words),
        None => error,
    }
}

/// A part of a path: letters, digits, `-`, `_` and `.`.
fn segment(what: &str, text: &str) -> Result<String, KeyError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.starts_with('.') || !text.bytes().all(fits) {
        let what = format!("`{}` can't be the {what} of Vault's engine", quote(text));
        return Err(KeyError::new(KeyErrorKind::Unusable, what)
            .with_hint("use letters, digits, `-`, `_` and `.`"));
    }
    Ok(text.to_owned())
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: Zeroizing<String>,
}

impl KeyEncryption for VaultTransit {
    fn key_name(&self) -> &str {
        &self.name
    }

    fn wrap<'a>(
        &'a self,
        key: &'a SealingKey,
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            let plaintext = Zeroizing::new(STANDARD.encode(key.expose()));
            let body =
                json!({ "plaintext": &*plaintext, "associated_data": STANDARD.encode(context) });
            let body = Zeroizing::new(body.to_string().into_bytes());
            let answer = self.post("encrypt", body, false).await?;
            let answer: Answer<Encrypted> =
                serde_json::from_slice(&answer).map_err(|_| self.malformed("encrypt"))?;
            // `vault:v1:…`: the version of the key is in it.
            if !answer.data.ciphertext.starts_with("vault:v") {
                return Err(self.malformed("encrypt"));
            }
            Ok(answer.data.ciphertext.into_bytes())
        })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            let ciphertext = std::str::from_utf8(wrapped).map_err(|_| {
                let what = format!("what `{}` has wrapped is no text of Vault", self.name);
                KeyError::new(KeyErrorKind::Unusable, what)
            })?;
            let body =
                json!({ "ciphertext": ciphertext, "associated_data": STANDARD.encode(context) });
            let body = Zeroizing::new(body.to_string().into_bytes());
            let answer = self.post("decrypt", body, true).await?;
            let answer: Answer<Decrypted> =
                serde_json::from_slice(&answer).map_err(|_| self.malformed("decrypt"))?;
            let plain = STANDARD.decode(&*answer.data.plaintext).map(Zeroizing::new);
            let plain = plain.map_err(|_| self.malformed("decrypt"))?;
            let bytes = <[u8; 32]>::try_from(&plain[..]).map(Zeroizing::new);
            Ok(SealingKey::from_bytes(
                *bytes.map_err(|_| self.malformed("decrypt"))?,
            ))
        })
    }

    fn describe(&self) -> String {
        format!("the key `{}` of Vault at {}", self.name, self.server)
    }
}

impl fmt::Debug for VaultTransit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultTransit")
            .field("server", &self.server)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
