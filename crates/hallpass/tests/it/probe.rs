//! A login asks the MCP server without a token first.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hallpass::{
    BoxFuture, Hallpass, HttpClient,
    http::{Body, HttpError, RequestOptions},
};
use http::{Request, Response};

#[tokio::test]
async fn a_session_that_the_probe_began_is_ended() {
    let server = Arc::new(OpenServer::default());
    let hallpass = Hallpass::builder("https://mcp.example.com/mcp".parse().unwrap())
        .http_client(Arc::clone(&server) as Arc<dyn HttpClient>)
        .build()
        .unwrap();
    hallpass
        .login()
        .await
        .expect_err("there is no authorization server");
    let requests = server.requests.lock().unwrap().clone();
    assert_eq!(requests[..2], ["POST /mcp ", "DELETE /mcp 4711"]);
}

/// Lets everybody in, gives a session, and publishes no metadata.
#[derive(Debug, Default)]
struct OpenServer {
    requests: Mutex<Vec<String>>,
}

impl HttpClient for OpenServer {
    fn open(
        &self,
        request: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let session = request.headers().get("mcp-session-id");
        let session = session.map_or("", |id| id.to_str().unwrap());
        let line = format!("{} {} {session}", request.method(), request.uri().path());
        self.requests.lock().unwrap().push(line);
        let status = if request.uri().path() == "/mcp" {
            200
        } else {
            404
        };
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("mcp-session-id", "4711")
            .body(Body::whole("{}"));
        Box::pin(async { Ok(response.unwrap()) })
    }
}
