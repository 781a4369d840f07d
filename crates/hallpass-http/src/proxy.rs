//! Proxies as plain data. Nothing here reads the environment.

use std::fmt;

use hallpass_core::{ClientSecret, Diagnostic, Hint, Remedy};
use url::Url;

mod no_proxy;
mod refused;

pub use no_proxy::NoProxy;
pub use refused::ProxyRefused;

/// Which proxy a request goes through. The default is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    /// For `http` URLs.
    pub http: Option<Proxy>,
    /// For `https` URLs.
    pub https: Option<Proxy>,
    /// What is reached directly all the same.
    pub no_proxy: NoProxy,
}

impl ProxyConfig {
    /// The same proxy for everything.
    pub fn all(proxy: Proxy) -> Self {
        Self {
            http: Some(proxy.clone()),
            https: Some(proxy),
            no_proxy: NoProxy::default(),
        }
    }

    /// Reads the usual variables (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) from
    /// `value_of`, which a program points at its environment and a test at a table.
    ///
    /// The lower-case name wins over the upper-case one, a scheme's own variable over `ALL_PROXY`,
    /// and an empty value is an absent one. Loopback hosts are always reached directly. When
    /// `REQUEST_METHOD` is there, the process is a CGI script and `HTTP_PROXY` may come from a
    /// request's `Proxy` header: the upper-case name is then ignored.
    ///
    /// # Errors
    ///
    /// When a value is no proxy; the error names the variable and never repeats a password.
    pub fn from_environment_values(
        value_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ProxyError> {
        let read = |name: &str| {
            value_of(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let first = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| read(name).map(|value| (*name, value)))
        };
        let proxy = |names: &[&'static str]| match first(names) {
            None => Ok(None),
            Some((name, value)) => Proxy::parse(&value)
                .map(Some)
                .map_err(|error| error.set_by(name)),
        };
        let http: &[_] = if read("REQUEST_METHOD").is_some() {
            &["http_proxy", "all_proxy", "ALL_PROXY"]
        } else {
            &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        };
        let mut no_proxy = NoProxy::loopback();
        if let Some((_, value)) = first(&["no_proxy", "NO_PROXY"]) {
            no_proxy.add(&value);
        }
        Ok(Self {
            http: proxy(http)?,
            https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            no_proxy,
        })
    }

    /// The proxy for `url`; `None` when it is reached directly.
    pub fn proxy_for(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref()?,
            "https" => self.https.as_ref()?,
            _ => return None,
        };
        (!self.no_proxy.matches(url)).then_some(proxy)
    }
}

/// One proxy: `http`, `https` (TLS to the proxy itself), `socks5` (names are resolved here) or
/// `socks5h` (names are resolved by the proxy).
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    url: Url,
    credentials: Option<(String, ClientSecret)>,
}

impl Proxy {
    /// Reads `scheme://user:password@host:port`. `host:port` without a scheme is an `http` proxy, as for
    /// curl and most other programs. User and password are percent-encoded where they hold special
    /// characters.
    ///
    /// # Errors
    ///
    /// When the text is no URL of such a proxy, and when it has neither a scheme nor a port: programs differ
    /// about the port that is meant then.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let refuse = |reason| ProxyError {
            variable: None,
            reason,
        };
        if !text.contains("://") && !names_port(text) {
            return Err(refuse(Reason::NoPort(shown_host(text))));
        }
        let mut url = Url::parse(&with_scheme).map_err(|error| refuse(Reason::Syntax(error)))?;
        match url.scheme() {
            "http" | "https" | "socks5" | "socks5h" => {}
            other => return Err(refuse(Reason::Scheme(other.to_owned()))),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse(Reason::NoHost));
        }
        if url.port().is_none() && url.scheme().starts_with("socks") {
            // Fails only for URLs without a host.
            let _ = url.set_port(Some(1080));
        }
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((
                user.to_owned(),
                ClientSecret::new(password.unwrap_or_default()),
            )),
        };
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { url, credentials })
    }

    /// The proxy with these credentials, given as they are (not percent-encoded).
    #[must_use]
    pub fn with_credentials(mut self, user: &str, password: &ClientSecret) -> Self {
        // The URL's own encoding is what the other constructor stores.
        let mut url = self.url.clone();
        let _ = url.set_username(user);
        let _ = url.set_password(Some(&encode_percent(password.expose())));
        self.credentials = Some((
            url.username().to_owned(),
            ClientSecret::new(url.password().unwrap_or_default()),
        ));
        self
    }

    /// The proxy's URL without its credentials.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host, as a resolver is asked for it.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether names are resolved here before the proxy is asked for an address.
    pub(crate) fn resolves_here(&self) -> bool {
        self.url.scheme() == "socks5"
    }

    /// The URL with its credentials, for the connection.
    pub(crate) fn expose(&self) -> Url {
        let mut url = self.url.clone();
        if let Some((user, password)) = &self.credentials {
            let _ = url.set_username(user);
            let _ = url.set_password(Some(password.expose()));
        }
        url
    }
}

/// `set_password` leaves a percent sign as it is, which would then be read as an escape.
fn encode_percent(text: &str) -> String {
    text.replace('%', "%25")
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = if self.credentials.is_some() {
            ", with credentials"
        } else {
            ""
        };
        write!(f, "Proxy({self}{with})")
    }
}

/// A text that names no proxy. The text is not repeated, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: {reason}",
    .variable.map_or("not a proxy".to_owned(), |name| format!("the value of `{name}` names no proxy")),
)]
pub struct ProxyError {
    variable: Option<&'static str>,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    Syntax(url::ParseError),
    #[error("its scheme is `{0}`, not http, https, socks5 or socks5h")]
    Scheme(String),
    #[error("it names no host")]
    NoHost,
    #[error(
        "{} neither a scheme nor a port",
        .0.as_ref().map_or("it has".to_owned(), |host| format!("`{host}` has"))
    )]
    NoPort(Option<String>),
}

impl ProxyError {
    /// The variable that holds the value, if it came from one.
    pub fn variable(&self) -> Option<&str> {
        self.variable
    }

    fn set_by(mut self, variable: &'static str) -> Self {
        self.variable = Some(variable);
        self
    }
}

impl Diagnostic for ProxyError {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }

    fn hints(&self) -> Vec<Hint> {
        let host = match &self.reason {
            Reason::NoPort(Some(host)) => host,
            _ => "HOST",
        };
        let url = format!("http://{host}:PORT");
        vec![match self.variable {
            Some(variable) => Hint::text(format!("set `{variable}={url}`")),
            None => Hint::setting("proxy", Some(&url)),
        }]
    }
}

/// Whether a proxy without a scheme names its port.
fn names_port(text: &str) -> bool {
    let (text, _) = text.split_once('/').unwrap_or((text, ""));
    let (_, address) = text.rsplit_once('@').unwrap_or(("", text));
    address.rsplit_once(':').is_some_and(|(host, port)| {
        let is_whole = !host.contains(':') || host.ends_with(']');
        is_whole && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The text where it is nothing but a host, without a user or a password.
fn shown_host(text: &str) -> Option<String> {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let fits = (1..=253).contains(&text.len()) && text.bytes().all(is_host);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
