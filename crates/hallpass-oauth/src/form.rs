//! The body of every request to an authorization server: `application/x-www-form-urlencoded`
//! parameters (RFC 6749 appendix B).

use std::fmt;

use bytes::Bytes;
use hallpass_core::{Resource, Scopes};
use http::{HeaderValue, Method, Request, Uri, header};
use url::Url;
use zeroize::Zeroizing;

/// Parameters in the order they are sent. The values may be secrets: they are wiped on drop, and
/// `Debug` shows the names alone.
#[derive(Clone, Default)]
pub(crate) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// The form of one grant type (RFC 6749 §4).
    pub(crate) fn for_grant(grant_type: &str) -> Self {
        Self::default().with("grant_type", grant_type)
    }

    /// Adds a parameter, or gives it another value: a form holds none twice (RFC 6749 §3.2).
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        let value = Zeroizing::new(value.into());
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
        self
    }

    /// Adds a parameter unless there is no value for it: absent and empty differ on the wire.
    fn with_optional(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds `scope`, unless the set is empty.
    pub(crate) fn with_scopes(self, scopes: &Scopes) -> Self {
        let text = (!scopes.is_empty()).then(|| scopes.to_string());
        self.with_optional("scope", text)
    }

    /// Adds `resource` (RFC 8707 §2), byte for byte, unless it is to be left out.
    pub(crate) fn with_resource(self, resource: Option<&Resource>) -> Self {
        self.with_optional("resource", resource.map(Resource::as_str))
    }

    /// The parameters, to be appended to a URL.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(self.iter());
        text.finish()
    }

    /// What stands in the query of `endpoint` itself, byte for byte (RFC 6749 §3.1), without the
    /// parameters that the form holds or that are `reserved`: none is sent twice.
    pub(crate) fn rest_of_query(&self, endpoint: &Url, reserved: &[&str]) -> String {
        let query = endpoint.query().unwrap_or_default();
        let rest = query.split('&').filter(|pair| {
            let name = form_urlencoded::parse(pair.as_bytes()).next();
            name.is_some_and(|(name, _)| {
                !reserved.contains(&&*name) && self.iter().all(|(ours, _)| ours != name)
            })
        });
        rest.collect::<Vec<_>>().join("&")
    }

    /// The parameters as a POST to `endpoint`, which asks for JSON.
    ///
    /// Every `Url` that real metadata holds is a `http::Uri`. One that is not (longer than 64 KiB)
    /// leaves the URI relative, and an HTTP client refuses the request as invalid.
    pub(crate) fn post(&self, endpoint: &Url) -> Request<Bytes> {
        let mut endpoint = endpoint.clone();
        let rest = self.rest_of_query(&endpoint, &[]);
        endpoint.set_query((!rest.is_empty()).then_some(&*rest));
        post(
            &endpoint,
            "application/x-www-form-urlencoded",
            self.encode(),
        )
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// A POST of `body`, which asks for JSON.
pub(crate) fn post(endpoint: &Url, content_type: &'static str, body: String) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri(endpoint);
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request
}

/// `url` without its fragment, which is never sent.
pub(crate) fn uri(url: &Url) -> Uri {
    let mut url = url.clone();
    url.set_fragment(None);
    url.as_str().parse().unwrap_or_default()
}
