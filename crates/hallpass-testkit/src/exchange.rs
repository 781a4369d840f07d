//! One request and its answer: read it whole, record it, let the planned fault or the server answer.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hallpass_core::{BoxFuture, Clock};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::{
    Endpoint, Fault, RecordedRequest, Recorder,
    fault::FaultPlan,
    recorder::{RecordedBody, header_pairs, is_form, pairs},
    reply::{Reply, ReplyBody},
};

/// A request, read whole.
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// The pairs of a form body; `None` where the body is something else.
    pub(crate) form: Option<Vec<(String, String)>>,
    pub(crate) uri: http::Uri,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A server, as its connections see it.
pub(crate) trait Answering: Send + Sync + 'static {
    /// What a request is for.
    fn endpoints(&self, request: &Received) -> Vec<Endpoint>;

    /// Answers it.
    fn answer(&self, request: Received) -> BoxFuture<'_, Reply>;
}

/// What every connection of a server needs.
pub(crate) struct Exchange {
    pub(crate) server: Arc<dyn Answering>,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) origin: String,
    pub(crate) name: String,
    pub(crate) required_header: Option<(String, String)>,
}

/// The connection is to be ended without an answer.
#[derive(Debug)]
pub(crate) enum Dropped {
    /// With a FIN, as a server does that has nothing more to say.
    Closed,
    /// With a RST, as a server does that has crashed.
    Reset,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed without an answer, as planned",
            Self::Reset => "reset without an answer, as planned",
        })
    }
}

impl std::error::Error for Dropped {}

impl Exchange {
    pub(crate) async fn respond(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Dropped> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BYTES).collect().await else {
            return Ok(Reply::empty(StatusCode::PAYLOAD_TOO_LARGE).into_response());
        };
        let body = body.to_bytes();
        let received = Received {
            path: head.uri.path().to_owned(),
            query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
            form: is_form(&head.headers).then(|| pairs(&body)),
            method: head.method,
            headers: head.headers,
            uri: head.uri,
            body,
        };
        let endpoints = self.server.endpoints(&received);
        let sequence = self.recorder.begin(RecordedRequest {
            sequence: 0,
            at: self.clock.monotonic(),
            server: self.name.clone(),
            origin: self.origin.clone(),
            endpoints: endpoints.clone(),
            method: received.method.to_string(),
            path: received.path.clone(),
            query: received.query.clone(),
            headers: header_pairs(&received.headers),
            body: RecordedBody::read(&received.headers, &received.body),
            answer: None,
        });
        let fault = self.faults.take(&endpoints);
        let reply = self.outcome(received, fault).await?;
        self.recorder.record_answer(sequence, reply.record());
        Ok(reply.into_response())
    }

    async fn outcome(&self, received: Received, fault: Option<Fault>) -> Result<Reply, Dropped> {
        if !self.carries_required_header(&received) {
            return Ok(Reply::text(
                StatusCode::FORBIDDEN,
                "the gateway refuses requests without its header",
            ));
        }
        let reply = match fault {
            None => self.server.answer(received).await,
            Some(Fault::DropRequest) => return Err(Dropped::Closed),
            Some(Fault::DropAnswer) => {
                self.server.answer(received).await;
                return Err(Dropped::Closed);
            }
            Some(Fault::ResetRequest) => return Err(Dropped::Reset),
            Some(Fault::ResetAnswer) => {
                self.server.answer(received).await;
                return Err(Dropped::Reset);
            }
            Some(Fault::HoldRequest(gate)) => {
                gate.pass().await;
                self.server.answer(received).await
            }
            Some(Fault::HoldAnswer(gate)) => {
                let reply = self.server.answer(received).await;
                gate.pass().await;
                reply
            }
            Some(Fault::Html) => web_page(),
            Some(Fault::HtmlAnswer) => {
                self.server.answer(received).await;
                web_page()
            }
            Some(Fault::Endless) => Reply::endless(),
            Some(Fault::Status {
                status,
                retry_after,
            }) => {
                let reply = Reply::text(code(status), "out of order");
                match retry_after {
                    Some(when) => reply.with(header::RETRY_AFTER, when),
                    None => reply,
                }
            }
            Some(Fault::Answer {
                status,
                headers,
                body,
            }) => Reply::exactly(code(status), &headers, body),
            Some(Fault::Echo {
                status,
                media_type,
                write,
            }) => {
                let headers = [("content-type".to_owned(), media_type.to_owned())];
                Reply::exactly(code(status), &headers, write(&whole(&received)))
            }
        };
        Ok(reply)
    }

    fn carries_required_header(&self, received: &Received) -> bool {
        let Some((name, value)) = &self.required_header else {
            return true;
        };
        let sent = received.headers.get(name.as_str());
        sent.is_some_and(|sent| sent.as_bytes() == value.as_bytes())
    }
}

/// The request as it was received.
fn whole(received: &Received) -> String {
    let mut text = format!("{} {}", received.method, received.uri);
    for (name, value) in header_pairs(&received.headers) {
        text = format!("{text}\r\n{name}: {value}");
    }
    format!("{text}\r\n\r\n{}", String::from_utf8_lossy(&received.body))
}

fn web_page() -> Reply {
    let page = "<!doctype html><title>Welcome</title><p>Please enable JavaScript.";
    Reply::html(StatusCode::OK, page.to_owned())
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The largest request body: more than any test sends.
const MAX_BYTES: usize = 8 << 20;
