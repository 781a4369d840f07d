//! One server, ready to be called.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use bytes::Bytes;
use hallpass_core::{
    AddressRefused, Challenge, Clock, CredentialKey, HttpClient, Record, ServerUrl, SignInReason,
};
use hallpass_discovery::{DiscoveryError, DiscoveryErrorKind};
use hallpass_mcp::{
    Anonymous, AuthorizedEndpoint, Content, Endpoint, Request, Response, TransportKind,
    UnexpectedStatus, probe,
};
use hallpass_rmcp::Transport;
use hallpass_session::{Session, SessionError, SignInRequest, SignOut, SignedOut, Token};
use http::{StatusCode, header::WWW_AUTHENTICATE};
use url::Url;

use crate::{Error, HallpassBuilder};

/// One account on one MCP server. Cheap to clone; clones share one [`Session`].
#[derive(Debug, Clone)]
pub struct Hallpass {
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) session: Session,
    pub(crate) max_message_bytes: usize,
    pub(crate) transport: TransportKind,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Hallpass {
    /// Begins with a server's URL, which is all that a good server needs.
    pub fn builder(server: ServerUrl) -> HallpassBuilder {
        HallpassBuilder::new(server)
    }

    /// A transport for rmcp's `serve`. It signs in when the server asks for it, if an authorizer was
    /// supplied, and repeats the refused request by itself.
    pub fn transport(&self) -> Transport {
        let client = hallpass_rmcp::Client::at(self.endpoint());
        hallpass_rmcp::transport(client, &self.key().server)
    }

    /// The server's endpoint with this session's tokens, for a host that forwards messages as bytes
    /// and does not use rmcp.
    pub fn endpoint(&self) -> AuthorizedEndpoint {
        AuthorizedEndpoint::new(self.session.clone(), Arc::clone(&self.http))
            .with_max_message_bytes(self.max_message_bytes)
            .with_transport(self.transport)
    }

    /// The session below the transport, for a host that needs a fresh token itself.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The server and the account on it.
    pub fn key(&self) -> &CredentialKey {
        self.session.key()
    }

    /// Judges whether the user's browser may be sent to a page that the server asks the user to visit (URL
    /// mode elicitation), as the address policy does for a sign-in.
    ///
    /// # Errors
    ///
    /// When the URL leads into another network than the server's, by its text: nothing is resolved.
    pub fn check_navigation(&self, url: &Url) -> Result<(), AddressRefused> {
        self.http.check_navigation(url, &self.key().server)
    }

    /// Signs in now: what the transport would do at the server's first challenge, done early.
    ///
    /// # Errors
    ///
    /// As [`Session::sign_in`]. A server that can't be reached fails before the user is asked to
    /// sign in. So does one that answers a status such as 403 or 503 instead of a challenge, and has no
    /// metadata ([`Error::UnexpectedStatus`]). With a [`TokenSource`](hallpass_core::TokenSource) the user is not asked: this gets
    /// the first token.
    pub async fn login(&self) -> Result<Token, Error> {
        if self.session.token_source().is_some() {
            return self.session.token().await.map_err(Error::Session);
        }
        let Probe {
            challenges,
            unexpected,
            refusal,
        } = self.probe().await?;
        let request = SignInRequest {
            reason: SignInReason::Requested,
            challenges: &challenges,
            // A server of the old transport need not take a POST.
            unexpected_status: unexpected.filter(|_| self.transport != TransportKind::HttpSse),
            ..SignInRequest::default()
        };
        let signed_in = self.session.sign_in(request).await;
        signed_in.map_err(|error| match refusal {
            Some(refusal) if has_found_no_metadata(&error) => Error::UnexpectedStatus(refusal),
            _ => Error::Session(error),
        })
    }

    /// Signs out: revokes the tokens at the server (RFC 7009) and clears the grant here, whatever
    /// the server says.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn logout(&self, how: SignOut) -> Result<SignedOut, SessionError> {
        self.session.sign_out(how).await
    }

    /// The account's record as it is kept; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the store can't read it.
    pub async fn record(&self) -> Result<Option<Record>, SessionError> {
        self.session.record().await
    }

    /// Ends the session, for all clones, once the refreshes that are under way have been saved, at most
    /// after `limit`. Call it before the runtime ends.
    ///
    /// # Errors
    ///
    /// When a refresh still runs after `limit`, or its new grant could not be saved so far.
    pub async fn close(&self, limit: Duration) -> Result<(), SessionError> {
        self.session.close(limit).await
    }

    /// Asks the server without a token, to learn its challenge: where its metadata is and which
    /// scopes it wants (RFC 9728 §5.1).
    ///
    /// A POST, since some servers answer nothing else; a server that lets it through may still
    /// protect its tools, and is found by its well-known metadata then.
    pub(crate) async fn probe(&self) -> Result<Probe, Error> {
        let endpoint = Endpoint::new(Arc::clone(&self.http), &self.key().server);
        let response = endpoint.send(&probe::initialize(), &Anonymous).await;
        let response = response.map_err(Error::Unreachable)?;
        let unexpected = is_unexpected(&response).then(|| response.status());
        if response.status() == StatusCode::UNAUTHORIZED {
            return Ok(Probe {
                challenges: response.challenges(),
                unexpected,
                refusal: None,
            });
        }
        if let Some(Ok(end)) = response
            .session_id()
            .map(|id| Request::delete().session(id))
        {
            // The probe may have started a session.
            let _ = endpoint.send(&end, &Anonymous).await;
        }
        let refusal = if says_nothing_of_sign_ins(response.status()) {
            let refusal = UnexpectedStatus::new(&response);
            let body = match response.content() {
                // It may have no end.
                Content::Events => Bytes::new(),
                _ => response.read_start(MAX_ERROR_BODY).await,
            };
            Some(refusal.with_body(&body))
        } else {
            None
        };
        Ok(Probe {
            challenges: Vec::new(),
            unexpected,
            refusal,
        })
    }
}

/// How much of an answer is read for the server's words.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// What a server answers without a token.
pub(crate) struct Probe {
    pub(crate) challenges: Vec<Challenge>,
    /// A status that is neither an answer of MCP nor a request to sign in.
    unexpected: Option<StatusCode>,
    /// A status that tells why no metadata is found either.
    refusal: Option<UnexpectedStatus>,
}

/// Whether an answer to a request without a token is neither one of MCP nor a request to sign in. Some servers
/// ask for a sign-in with the status 401 alone.
fn is_unexpected(response: &Response) -> bool {
    if response.status() == StatusCode::UNAUTHORIZED {
        let names_scheme = response.headers().contains_key(WWW_AUTHENTICATE);
        let challenges = hallpass_discovery::challenges(response.headers());
        return names_scheme && challenges.is_empty();
    }
    let is_message = matches!(response.content(), Content::Json | Content::Events);
    !(response.status().is_success() && is_message)
}

/// Whether a server answers so to whatever it is asked: a gateway that refuses, or one that fails.
fn says_nothing_of_sign_ins(status: StatusCode) -> bool {
    match status {
        StatusCode::FORBIDDEN
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS => true,
        // It takes no POST.
        StatusCode::NOT_IMPLEMENTED => false,
        status => status.is_server_error(),
    }
}

/// Whether a sign-in failed because there is no metadata at all.
fn has_found_no_metadata(error: &SessionError) -> bool {
    let SessionError::SignIn(failed) = error else {
        return false;
    };
    let mut next: Option<&(dyn StdError + 'static)> = Some(failed.cause().get_ref());
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<DiscoveryError>() {
            let is_nothing = matches!(
                error.kind(),
                DiscoveryErrorKind::NoOAuth
                    | DiscoveryErrorKind::ResourceMetadataNotFound
                    | DiscoveryErrorKind::ServerMetadataNotFound
            );
            let mut attempts = error.attempts().iter();
            return is_nothing && attempts.all(|attempt| attempt.reason().is_some());
        }
        next = error.source();
    }
    false
}
