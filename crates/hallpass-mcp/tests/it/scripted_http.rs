//! An HTTP client that answers from a script and remembers what it was asked.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use hallpass_core::{
    BoxFuture, HttpClient, HttpError, ServerUrl,
    http::{Body, Chunks, HttpErrorKind, RequestOptions, RequestTarget},
};
use hallpass_mcp::Endpoint;
use url::Url;

pub(crate) const SERVER: &str = "https://mcp.example.com/mcp";

#[derive(Debug, Default)]
pub(crate) struct ScriptedHttp {
    answers: Mutex<VecDeque<Answer>>,
    pub(crate) seen: Mutex<Vec<(http::Request<Bytes>, RequestOptions)>>,
}

/// Status, headers and the chunks of the body; a chunk that is `None` breaks the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) chunks: VecDeque<Option<&'static str>>,
}

pub(crate) fn answer(status: u16) -> Answer {
    Answer {
        status,
        ..Answer::default()
    }
}

impl Answer {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn chunk(mut self, chunk: &'static str) -> Self {
        self.chunks.push_back(Some(chunk));
        self
    }

    pub(crate) fn breaks(mut self) -> Self {
        self.chunks.push_back(None);
        self
    }
}

impl Chunks for Answer {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        Poll::Ready(self.chunks.pop_front().map(|chunk| {
            chunk.map(Bytes::from).ok_or_else(|| {
                let url = Url::parse(SERVER).unwrap();
                HttpError::new(HttpErrorKind::Interrupted, RequestTarget::Mcp, &url)
            })
        }))
    }
}

impl HttpClient for ScriptedHttp {
    fn open(
        &self,
        request: http::Request<Bytes>,
        policy: RequestOptions,
    ) -> BoxFuture<'_, Result<http::Response<Body>, HttpError>> {
        if policy.target != RequestTarget::Mcp {
            let url = Url::parse(SERVER).unwrap();
            let error = HttpError::new(HttpErrorKind::Connect, RequestTarget::Mcp, &url);
            return Box::pin(async { Err(error) });
        }
        self.seen.lock().unwrap().push((request, policy));
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| panic!("a request that the script does not expect"));
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(*name, value);
        }
        let response = response.body(Body::new(answer)).unwrap();
        Box::pin(async move { Ok(response) })
    }
}

/// A client that answers from `answers`.
pub(crate) fn scripted(answers: impl IntoIterator<Item = Answer>) -> Arc<ScriptedHttp> {
    Arc::new(ScriptedHttp {
        answers: Mutex::new(answers.into_iter().collect()),
        seen: Mutex::default(),
    })
}

/// An endpoint that is answered from `answers`, and the script to ask afterwards.
pub(crate) fn endpoint(answers: impl IntoIterator<Item = Answer>) -> (Endpoint, Arc<ScriptedHttp>) {
    let script = scripted(answers);
    let server = ServerUrl::parse(SERVER).unwrap();
    (Endpoint::new(script.clone(), &server), script)
}
