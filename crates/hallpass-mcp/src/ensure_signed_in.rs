//! Signing in before the first message.

use hallpass_session::SessionError;
use http::{HeaderName, HeaderValue};

use crate::{AuthorizedEndpoint, Error, Interactivity, Request, RequestError};

/// The question that each server of the newest protocol answers and no server acts upon.
const DISCOVER_REQUEST: &str = r#"{"jsonrpc":"2.0","id":"hallpass","method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"hallpass","version":"0"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;

impl AuthorizedEndpoint {
    /// Signs in, if the server asks for it, before anybody waits for an answer.
    ///
    /// With a token at hand it sends nothing; else it asks the server something harmless and answers
    /// its challenge. Whatever else the server says to that is left for the first message to find
    /// out.
    ///
    /// # Errors
    ///
    /// When the server asks for a token and there is none to be had, or when it can't be reached.
    pub async fn prepare(&self) -> Result<(), Error> {
        match self.session().token().await {
            Ok(_) => return Ok(()),
            Err(SessionError::SignInRequired(_)) => {}
            Err(error) => return Err(Error::Session(error)),
        }
        let question = Request::post(DISCOVER_REQUEST)
            .protocol_version("2026-07-28")?
            .header(
                HeaderName::from_static("mcp-method"),
                HeaderValue::from_static("server/discover"),
            );
        let answered = self.send(&question, Interactivity::Interactive).await;
        answered.map(drop).map_err(RequestError::into_error)
    }
}
