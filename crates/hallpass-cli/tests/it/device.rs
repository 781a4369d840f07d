//! A device authorization endpoint (RFC 8628) with its token endpoint, as small as they get.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the user types.
pub(crate) const CODE: &str = "WDJB-MJHT";

pub(crate) struct Server {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    approved: AtomicBool,
    requests: Mutex<Vec<String>>,
    /// The page for the code, if it is not the server's own.
    page: Option<&'static str>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with_page(None).await
    }

    /// One whose page for the code is elsewhere.
    pub(crate) async fn start_with_page(page: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            page,
            ..State::default()
        });
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&serving), port));
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        url_at(self.port, path)
    }

    /// The user says yes.
    pub(crate) fn approve(&self) {
        self.state.approved.store(true, Ordering::SeqCst);
    }

    /// The bodies of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

fn url_at(port: u16, path: &str) -> String {
    format!("http://127.0.0.1:{port}{path}")
}

/// One request on one connection.
async fn answer(mut stream: TcpStream, state: Arc<State>, port: u16) {
    let mut request = String::new();
    let body = loop {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        request += &String::from_utf8_lossy(&bytes[..length]);
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            assert_ne!(length, 0);
            continue;
        };
        let head = head.to_ascii_lowercase();
        let (_, after) = head.split_once("content-length:").unwrap();
        let wanted: usize = after.lines().next().unwrap().trim().parse().unwrap();
        if body.len() >= wanted {
            break body.to_owned();
        }
    };
    let device = request.starts_with("POST /device ");
    state.requests.lock().unwrap().push(body);
    let (status, json) = if device {
        let code = json!({
            "device_code": "canary-device-code",
            "user_code": CODE,
            "verification_uri": state.page.map_or_else(|| url_at(port, "/activate"), str::to_owned),
            "expires_in": 900,
            "interval": 1,
        });
        ("200 OK", code)
    } else if state.approved.load(Ordering::SeqCst) {
        let tokens = json!({
            "access_token": "canary-access-token",
            "refresh_token": "canary-refresh-token",
            "token_type": "Bearer",
            "expires_in": 900,
        });
        ("200 OK", tokens)
    } else {
        (
            "400 Bad Request",
            json!({ "error": "authorization_pending" }),
        )
    };
    let json = json.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        json.len()
    );
    stream.write_all((head + &json).as_bytes()).await.unwrap();
}
