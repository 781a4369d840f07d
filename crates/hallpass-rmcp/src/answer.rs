//! From an answer to what rmcp makes of it.
//!
//! Statuses and bodies mean here what they mean to rmcp's own client, with five differences: an error
//! does not repeat what authorized the request; each status that is an error is [`UnexpectedStatus`],
//! with a remedy, and each body that is no message [`InvalidMessage`]; an error in the body of an answer
//! is always about its request, whatever id the server wrote; a body that answers no request, or
//! another, is an error instead of a call that never ends; and what a GET can't get by repeating ends
//! the stream.

use bytes::Bytes;
use hallpass_core::RequestSecrets;
use hallpass_mcp::{
    Content, InvalidMessage, Response, StreamResponse, Unanswered, UnexpectedStatus,
};
use http::StatusCode;
use rmcp::{
    model::{ErrorData, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};

use crate::{
    Error,
    error::RmcpError,
    outgoing::Outgoing,
    stream::{self, EventSource, SseStream},
};

/// How much of a body is read for the words in it.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// The answer to a POST. Whether it is about authorization or the session has been seen to.
pub(crate) async fn to_post(
    response: Response,
    outgoing: &Outgoing,
    limits: StreamableHttpResponseLimits,
    source: EventSource,
) -> Result<StreamableHttpPostResponse, RmcpError> {
    match response.status() {
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(StreamableHttpPostResponse::Accepted),
        status if status.is_success() => to_success(response, outgoing, limits, source).await,
        _ => to_failure(response, outgoing, limits.max_json_response_size).await,
    }
}

async fn to_success(
    response: Response,
    outgoing: &Outgoing,
    limits: StreamableHttpResponseLimits,
    source: EventSource,
) -> Result<StreamableHttpPostResponse, RmcpError> {
    let session = response.session_id().map(str::to_owned);
    let invalid = InvalidMessage::new(&response);
    match response.content() {
        Content::Events => {
            let events = response.events(limits.max_sse_event_size);
            let events = stream::to_rmcp(events, source);
            Ok(StreamableHttpPostResponse::Sse(events, session))
        }
        Content::Json => {
            let body = read(response, limits.max_json_response_size).await?;
            let reason = match serde_json::from_slice(&body) {
                Ok(message) => match about(message, outgoing.id()) {
                    Ok(message) => {
                        let message = without_secrets(message, invalid.request_secrets());
                        return Ok(StreamableHttpPostResponse::Json(message, session));
                    }
                    Err(reason) => reason,
                },
                // Some servers answer `{}` or nothing where 202 is meant.
                Err(_) if outgoing.id().is_none() => {
                    return Ok(StreamableHttpPostResponse::Accepted);
                }
                Err(error) if error.is_data() => "it is no JSON-RPC message that rmcp knows",
                Err(_) => "it is no JSON",
            };
            Err(invalid_message(
                invalid.with_reason(reason).with_body(&body),
            ))
        }
        Content::Other | Content::Unstated if outgoing.id().is_none() => {
            Ok(StreamableHttpPostResponse::Accepted)
        }
        Content::Other | Content::Unstated => {
            let body = response.read_start(MAX_ERROR_BODY).await;
            Err(invalid_message(invalid.with_body(&body)))
        }
    }
}

/// The message as the answer to the request `asked`, or why it is none. An error is about it, whatever
/// id the server wrote.
fn about(
    message: ServerJsonRpcMessage,
    asked: Option<&RequestId>,
) -> Result<ServerJsonRpcMessage, &'static str> {
    let Some(asked) = asked else {
        return Ok(message);
    };
    match message {
        ServerJsonRpcMessage::Error(error) => Ok(ServerJsonRpcMessage::error(
            error.error,
            Some(asked.clone()),
        )),
        ServerJsonRpcMessage::Response(answer) if answer.id != *asked => {
            Err("it answers another request")
        }
        ServerJsonRpcMessage::Response(_) => Ok(message),
        _ => Err("it is no answer to the request"),
    }
}

/// An error without what the request carried: hosts show it and log it. A result is what was asked for,
/// and stays as it is.
pub(crate) fn without_secrets(
    message: ServerJsonRpcMessage,
    secrets: Option<&RequestSecrets>,
) -> ServerJsonRpcMessage {
    let ServerJsonRpcMessage::Error(mut error) = message else {
        return message;
    };
    let clean = secrets.and_then(|secrets| {
        let json = serde_json::to_string(&error.error).ok()?;
        let clean = secrets.remove_from_errors(&[&json]).pop()??;
        serde_json::from_str(&clean).ok()
    });
    if let Some(clean) = clean {
        error.error = clean;
    }
    ServerJsonRpcMessage::Error(error)
}

pub(crate) async fn to_failure(
    response: Response,
    outgoing: &Outgoing,
    cap: usize,
) -> Result<StreamableHttpPostResponse, RmcpError> {
    let status = response.status();
    let session = response.session_id().map(str::to_owned);
    let secrets = response.request_secrets().cloned();
    let failure = UnexpectedStatus::new(&response);
    let is_json = response.content() == Content::Json;
    // These keep their status: what refuses the request is not the JSON-RPC layer.
    let keeps_status = matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    );
    let body = match response.content() {
        Content::Json if !keeps_status => match read(response, cap).await {
            Ok(body) => body,
            Err(_) if status.is_server_error() => return Err(unexpected(failure)),
            Err(error) => return Err(error),
        },
        // It may have no end.
        Content::Events => Bytes::new(),
        Content::Json | Content::Other | Content::Unstated => {
            response.read_start(MAX_ERROR_BODY).await
        }
    };
    if let Some(error) = error_in(&body).filter(|_| !keeps_status && is_json) {
        let answer = ServerJsonRpcMessage::error(error, outgoing.id().cloned());
        let answer = without_secrets(answer, secrets.as_ref());
        return Ok(StreamableHttpPostResponse::Json(answer, session));
    }
    if outgoing.probes() && status.is_client_error() && !keeps_status && !is_passing(status) {
        // An older server, or something before it, that knows no `server/discover`.
        let reason = format!("server/discover rejected with HTTP {}", status.as_u16());
        return Ok(no_discover(reason, outgoing));
    }
    Err(unexpected(failure.with_body(&body)))
}

/// There is no `server/discover`: rmcp falls back to `initialize` when it is told so by an error of
/// JSON-RPC.
pub(crate) fn no_discover(reason: String, outgoing: &Outgoing) -> StreamableHttpPostResponse {
    let error = ErrorData::invalid_request(reason, None);
    let answer = ServerJsonRpcMessage::error(error, outgoing.id().cloned());
    StreamableHttpPostResponse::Json(answer, None)
}

/// The answer to a GET: a stream, or the end of trying to get one.
pub(crate) fn to_get(
    response: Response,
    max_event_size: usize,
    mut source: EventSource,
) -> Result<SseStream, RmcpError> {
    let status = response.status();
    let answers_a_request = source.reconnection.answers_a_request();
    if let Some(awaited) = &mut source.awaited {
        awaited.source = InvalidMessage::new(&response);
    }
    match StreamResponse::new(&response) {
        StreamResponse::Open => {
            return Ok(stream::to_rmcp(response.events(max_event_size), source));
        }
        // What a lost session has not answered yet it never will.
        StreamResponse::NotFound if source.session.is_some() && !answers_a_request => {
            source.keep_for_resumption(false);
            return Err(StreamableHttpError::SessionExpired);
        }
        StreamResponse::Retry => {
            source.keep_for_resumption(false);
            return Err(failure(&response));
        }
        StreamResponse::NotFound | StreamResponse::Unavailable => {}
    }
    if let Some(awaited) = &source.awaited {
        let unanswered = Unanswered::stream_ended(&awaited.method);
        return Ok(stream::of_one(awaited.failed(&unanswered)));
    }
    if status != StatusCode::METHOD_NOT_ALLOWED {
        tracing::warn!(
            status = status.as_u16(),
            "the server gives no event stream, and is not asked again"
        );
    }
    // The one outcome that rmcp does not repeat, besides those about authorization.
    Err(StreamableHttpError::ServerDoesNotSupportSse)
}

/// The answer to a DELETE.
pub(crate) fn to_delete(response: &Response) -> Result<(), RmcpError> {
    match response.status() {
        status if status.is_success() => Ok(()),
        // The session is gone already.
        StatusCode::NOT_FOUND => Ok(()),
        StatusCode::METHOD_NOT_ALLOWED => {
            Err(StreamableHttpError::ServerDoesNotSupportDeleteSession)
        }
        _ => Err(failure(response)),
    }
}

/// A request was accepted without an answer, and no stream brings one.
pub(crate) fn unanswered(response: &Response) -> RmcpError {
    let reason = "it is no answer, and the server has no stream of its own that brings one";
    invalid_message(InvalidMessage::new(response).with_reason(reason))
}

/// Statuses below 500 that say nothing about the request.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    )
}

/// rmcp has a word for the statuses that may pass, `HttpStatus`, and does nothing with it. Ours is
/// found behind rmcp's errors, and says what to do.
fn failure(response: &Response) -> RmcpError {
    unexpected(UnexpectedStatus::new(response))
}

fn unexpected(status: UnexpectedStatus) -> RmcpError {
    StreamableHttpError::Client(Error::UnexpectedStatus(status.without_secrets()))
}

fn invalid_message(invalid: InvalidMessage) -> RmcpError {
    StreamableHttpError::Client(Error::InvalidMessage(invalid.without_secrets()))
}

fn error_in(body: &[u8]) -> Option<ErrorData> {
    match serde_json::from_slice(body) {
        Ok(ServerJsonRpcMessage::Error(error)) => Some(error.error),
        _ => None,
    }
}

async fn read(response: Response, cap: usize) -> Result<bytes::Bytes, RmcpError> {
    let read = response.read(cap).await;
    read.map_err(|error| StreamableHttpError::Client(Error::Http(error)))
}
