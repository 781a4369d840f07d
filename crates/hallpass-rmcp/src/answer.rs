//! From an answer to what rmcp makes of it.
//!
//! Statuses and bodies mean here what they mean to rmcp's own client, with four differences: no
//! error text repeats a body; each status that is an error is [`UnexpectedStatus`], with a remedy; an error in a refused request's body is always about that request,
//! whatever id the server wrote; and what a GET can't get by repeating ends the stream.

use futures_util::stream::BoxStream;
use hallpass_mcp_http::{Content, Error as HttpError, Response};
use hallpass_transport::UnexpectedStatus;
use http::{StatusCode, header::CONTENT_TYPE};
use rmcp::{
    model::{ErrorData, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        SseError, StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};
use sse_stream::Sse;

use crate::{
    Error, UnreadableMessage,
    outgoing::Outgoing,
    stream::{self, Source},
};

type RmcpError = StreamableHttpError<Error>;

/// The answer to a POST. Whether it is about authorisation has been seen to.
pub(crate) async fn to_post(
    response: Response,
    outgoing: &Outgoing,
    limits: StreamableHttpResponseLimits,
    source: Source,
) -> Result<StreamableHttpPostResponse, RmcpError> {
    match response.status() {
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(StreamableHttpPostResponse::Accepted),
        // The session has ended: rmcp initializes anew.
        StatusCode::NOT_FOUND if outgoing.in_session() => Err(StreamableHttpError::SessionExpired),
        status if status.is_success() => to_success(response, outgoing, limits, source).await,
        _ => to_failure(response, outgoing, limits.max_json_response_size).await,
    }
}

async fn to_success(
    response: Response,
    outgoing: &Outgoing,
    limits: StreamableHttpResponseLimits,
    source: Source,
) -> Result<StreamableHttpPostResponse, RmcpError> {
    let session = response.session_id().map(str::to_owned);
    match response.content() {
        Content::Events => {
            let events = response.events(limits.max_sse_event_size);
            let events = stream::to_rmcp(events, source);
            Ok(StreamableHttpPostResponse::Sse(events, session))
        }
        Content::Json => {
            let body = read(response, limits.max_json_response_size).await?;
            match serde_json::from_slice(&body) {
                Ok(message) => Ok(StreamableHttpPostResponse::Json(message, session)),
                // Some servers answer `{}` or nothing where 202 is meant.
                Err(_) if outgoing.id().is_none() => Ok(StreamableHttpPostResponse::Accepted),
                Err(error) => Err(StreamableHttpError::Client(Error::UnreadableMessage(
                    UnreadableMessage::new(&error, body.len()),
                ))),
            }
        }
        Content::Other | Content::Unstated if outgoing.id().is_none() => {
            Ok(StreamableHttpPostResponse::Accepted)
        }
        Content::Other | Content::Unstated => {
            let content_type = response.headers().get(CONTENT_TYPE);
            let content_type =
                content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            Err(StreamableHttpError::UnexpectedContentType(content_type))
        }
    }
}

async fn to_failure(
    response: Response,
    outgoing: &Outgoing,
    cap: usize,
) -> Result<StreamableHttpPostResponse, RmcpError> {
    let status = response.status();
    let session = response.session_id().map(str::to_owned);
    let failure = failure(&response);
    // These keep their status: what refuses the request is not the JSON-RPC layer.
    if matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    ) {
        return Err(failure);
    }
    let may_hold_error = response.content() == Content::Json;
    if may_hold_error {
        let error = match read(response, cap).await {
            Ok(body) => error_in(&body),
            Err(_) if status.is_server_error() => return Err(failure),
            Err(error) => return Err(error),
        };
        if let Some(error) = error {
            let answer = ServerJsonRpcMessage::error(error, outgoing.id().cloned());
            return Ok(StreamableHttpPostResponse::Json(answer, session));
        }
    }
    if outgoing.probes() && status.is_client_error() && !is_passing(status) {
        // An older server, or something before it, that knows no `server/discover`: rmcp falls back
        // to `initialize` when it is told so by an error of JSON-RPC.
        let error = ErrorData::invalid_request(
            format!("server/discover rejected with HTTP {}", status.as_u16()),
            None,
        );
        let answer = ServerJsonRpcMessage::error(error, outgoing.id().cloned());
        return Ok(StreamableHttpPostResponse::Json(answer, None));
    }
    Err(failure)
}

/// The answer to a GET: a stream, or the end of trying to get one.
pub(crate) fn to_get(
    response: Response,
    max_event_size: usize,
    source: Source,
) -> Result<BoxStream<'static, Result<Sse, SseError>>, RmcpError> {
    let status = response.status();
    if status.is_success() && response.content() == Content::Events {
        return Ok(stream::to_rmcp(response.events(max_event_size), source));
    }
    let answers_a_request = source.reconnection.answers_a_request();
    // What a lost session has not answered yet it never will.
    if status == StatusCode::NOT_FOUND && source.session.is_some() && !answers_a_request {
        source.may_go_on(false);
        return Err(StreamableHttpError::SessionExpired);
    }
    if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED || is_passing(status) {
        source.may_go_on(false);
        return Err(failure(&response));
    }
    if status != StatusCode::METHOD_NOT_ALLOWED {
        tracing::warn!(
            status = status.as_u16(),
            "the server gives no event stream, and is not asked again"
        );
    }
    // The one outcome that rmcp does not repeat, besides those about authorisation.
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
    StreamableHttpError::Client(Error::UnexpectedStatus(UnexpectedStatus::new(response)))
}

fn error_in(body: &[u8]) -> Option<ErrorData> {
    match serde_json::from_slice(body) {
        Ok(ServerJsonRpcMessage::Error(error)) => Some(error.error),
        _ => None,
    }
}

async fn read(response: Response, cap: usize) -> Result<bytes::Bytes, RmcpError> {
    response.read(cap).await.map_err(|error| match error {
        HttpError::BodyTooLarge(_) => StreamableHttpError::ResponseBodyTooLarge { max_size: cap },
        error => StreamableHttpError::Client(Error::Http(error)),
    })
}
