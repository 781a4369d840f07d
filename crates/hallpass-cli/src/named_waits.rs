//! Names what is waited for: each request in the log, and a server that is silent for seconds to the user.

use std::sync::Arc;

use bytes::Bytes;
use hallpass::{
    BoxFuture, HttpClient, ServerUrl,
    http::{Body, HttpError, RequestOptions, RequestTarget},
    http_client::AddressRefused,
    text::redacted_url,
};
use http::{Method, Request, Response};
use url::Url;

use crate::output::Output;

/// A client whose waits are named.
#[derive(Debug)]
pub(crate) struct NamedWaits {
    below: Arc<dyn HttpClient>,
    output: Output,
}

impl NamedWaits {
    pub(crate) fn new(below: Arc<dyn HttpClient>, output: Output) -> Self {
        Self { below, output }
    }
}

impl HttpClient for NamedWaits {
    fn open(
        &self,
        request: Request<Bytes>,
        options: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let method = request.method().clone();
        let is_mcp = options.target == RequestTarget::Mcp;
        let url = Url::parse(&request.uri().to_string());
        let url = url.map_or_else(|_| "a server".to_owned(), |url| redacted_url(&url));
        tracing::info!("waiting for {method} {url}");
        let answer = self.below.open(request, options);
        // A stream of events begins when the server has one to send.
        if is_mcp && method == Method::GET {
            return answer;
        }
        // A command's status line counts the seconds of its calls already.
        let is_shown = is_mcp && self.output.shows_status();
        Box::pin(async move {
            let what = format!("waiting for the answer to {method} {url}");
            let answer = async {
                if is_shown {
                    answer.await
                } else {
                    self.output.while_silent(&url, answer).await
                }
            };
            self.output.pending(&what, answer).await
        })
    }

    fn attaches_secrets(&self) -> bool {
        self.below.attaches_secrets()
    }

    fn check_navigation(&self, url: &Url, server: &ServerUrl) -> Result<(), AddressRefused> {
        self.below.check_navigation(url, server)
    }
}
