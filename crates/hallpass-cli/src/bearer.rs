//! A fresh token for the request of another program, as curl or a script.
//!
//! Any holder of a bearer token can use it. One that is bound to a key (RFC 9449) is good only with a
//! proof for each single request, which this program can make and others can't: so it is handed out
//! for a request that is named, and not otherwise.

use clap::Args;
use hallpass::{AuthScheme, Token};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use url::Url;

use crate::{
    exit::{Code, CommandError},
    open_server,
    program::Program,
    server_options::Server,
    setup::{Options, Setup},
};

const DPOP: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The request that a token is for. Needed for one that is bound to a key (DPoP).
#[derive(Debug, Args)]
pub(crate) struct ForRequest {
    /// The method of the request that the token is for. Required for a token that is bound to a key
    /// (DPoP).
    #[arg(long, value_name = "METHOD", requires = "for_url")]
    pub(crate) method: Option<String>,

    /// The URL of the request that the token is for.
    #[arg(long = "url", id = "for_url", value_name = "URL", requires = "method")]
    pub(crate) url: Option<String>,

    /// The nonce from the server's `DPoP-Nonce` header.
    #[arg(long, value_name = "NONCE", requires = "method")]
    pub(crate) dpop_nonce: Option<String>,
}

/// A token, and the headers that carry it.
pub(crate) struct Bearer {
    pub(crate) token: Token,
    pub(crate) authorization: String,
    /// The proof of possession, for a token that is bound to a key.
    pub(crate) proof: Option<String>,
}

impl Bearer {
    /// The token itself, which is what was asked for.
    pub(crate) fn secret(&self) -> &str {
        self.token.access_token().expose()
    }

    /// A fresh token of the server, without a sign-in.
    pub(crate) async fn fresh(
        program: &Program,
        server: &Server,
        request: &ForRequest,
    ) -> Result<Self, CommandError> {
        let request = request.read()?;
        let setup = Setup::new(program, server, Options::Saved, None).await?;
        let session = setup.hallpass.session();
        let token = match session.token().await {
            Ok(token) => token,
            Err(error) => {
                let failed = no_token(CommandError::from(error), &setup, program, server);
                return Err(Box::pin(failed).await);
            }
        };
        let mut headers = HeaderMap::new();
        match request {
            None if token.scheme() == AuthScheme::Dpop => {
                let failed = "the token is bound to a key, so it is good for one request at a time";
                return Err(CommandError::usage(failed)
                    .hint("say for which: `--method POST --url URL` adds the proof to it"));
            }
            None => _ = headers.insert(AUTHORIZATION, token.authorization().clone()),
            Some(request) => {
                session.record_response(&token, &request.nonce);
                let made = session.authorize(&token, &request.method, &request.url, &mut headers);
                made.map_err(|error| {
                    let remedy = error.remedy();
                    CommandError::with_remedy(error, remedy)
                })?;
            }
        }
        let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Ok(Self {
            authorization: text(AUTHORIZATION).unwrap_or_default(),
            proof: text(DPOP),
            token,
        })
    }
}

/// Why there is no token: a server that answers without one needs no sign-in.
async fn no_token(
    failed: CommandError,
    setup: &Setup,
    program: &Program,
    server: &Server,
) -> CommandError {
    if failed.is(Code::SignInRequired)
        && let Ok(Some(true)) = open_server::answers_without_token(program, server).await
    {
        let server = &setup.hallpass.key().server;
        return CommandError::usage(format!("{server} needs no token: it answers without one"));
    }
    setup.server_ref.with_advice(failed, false)
}

struct Request {
    method: Method,
    url: Url,
    nonce: HeaderMap,
}

impl ForRequest {
    fn read(&self) -> Result<Option<Request>, CommandError> {
        let (Some(method), Some(url)) = (&self.method, &self.url) else {
            return Ok(None);
        };
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes());
        let url = Url::parse(url)
            .map_err(|error| CommandError::usage(format!("`{url}` is not a URL: {error}")))?;
        let mut nonce = HeaderMap::new();
        if let Some(given) = &self.dpop_nonce {
            let value: Result<HeaderValue, InvalidHeaderValue> = given.parse();
            nonce.insert(NONCE, value.map_err(CommandError::usage)?);
        }
        Ok(Some(Request {
            method: method.map_err(CommandError::usage)?,
            url,
            nonce,
        }))
    }
}
