//! A client with the mistake that this project began with.

use std::sync::Arc;

use bytes::Bytes;
use hallpass::{
    BoxFuture, HttpClient, ServerUrl, Token,
    http::{Body, HttpError, RequestOptions},
    http_client::AddressRefused,
};
use http::{Request, Response, StatusCode, header};
use url::{Url, form_urlencoded};

use crate::exit::CommandError;

/// Sends everything as it is, but for the `resource` of the token requests of one grant type, which
/// it leaves out.
#[derive(Debug)]
pub(super) struct WithoutResource {
    pub(super) at: &'static str,
    pub(super) client: Arc<dyn HttpClient>,
}

impl HttpClient for WithoutResource {
    fn open(
        &self,
        mut request: Request<Bytes>,
        options: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let pairs: Vec<_> = form_urlencoded::parse(request.body())
            .into_owned()
            .collect();
        if pairs
            .iter()
            .any(|(name, value)| name == "grant_type" && value == self.at)
        {
            let kept = pairs.iter().filter(|(name, _)| name != "resource");
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .finish();
            request.headers_mut().remove(header::CONTENT_LENGTH);
            *request.body_mut() = Bytes::from(body);
        }
        self.client.open(request, options)
    }

    fn check_navigation(&self, url: &Url, server: &ServerUrl) -> Result<(), AddressRefused> {
        self.client.check_navigation(url, server)
    }
}

/// Whether the server refuses `initialize` with this token as if it had none.
pub(super) async fn initialize_with(
    client: &dyn HttpClient,
    token: &Token,
    url: String,
) -> Result<bool, CommandError> {
    const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"forgetful","version":"0"}}}"#;
    let request = Request::post(&url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::AUTHORIZATION, token.authorization())
        .body(Bytes::from_static(INITIALIZE.as_bytes()))
        .map_err(CommandError::new)?;
    let server = ServerUrl::parse(&url).map_err(CommandError::new)?;
    let response = client.open(request, RequestOptions::mcp(&server)).await?;
    Ok(response.status() == StatusCode::UNAUTHORIZED)
}
