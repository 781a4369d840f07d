//! A double of the Transit engine: what its documentation of `encrypt` and `decrypt` says, and no more. It
//! refuses members that are not documented, another method, another content type and a missing token. It is
//! not Vault, and no test against a real one takes place here.

use std::sync::Mutex;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hallpass_core::{
    BoxFuture, HttpClient, HttpError,
    http::{Body, RequestOptions},
};
use hallpass_seal::{KeyId, SealingKey, open, seal};
use http::{Method, Request, Response, header};
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "hvs.canary-token-4711";

#[derive(Debug)]
pub(crate) struct Transit {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Keys by version, from 1.
    keys: Vec<SealingKey>,
    min_decryption_version: usize,
    is_sealed: bool,
    requests: usize,
    /// The answer in place of any other.
    planned: Option<(u16, String)>,
}

impl Transit {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                keys: vec![SealingKey::generate().unwrap()],
                min_decryption_version: 1,
                is_sealed: false,
                requests: 0,
                planned: None,
            }),
        }
    }

    pub(crate) fn rotate(&self) {
        self.state
            .lock()
            .unwrap()
            .keys
            .push(SealingKey::generate().unwrap());
    }

    pub(crate) fn set_min_decryption_version(&self, version: usize) {
        self.state.lock().unwrap().min_decryption_version = version;
    }

    pub(crate) fn set_sealed(&self, sealed: bool) {
        self.state.lock().unwrap().is_sealed = sealed;
    }

    pub(crate) fn answer_with(&self, status: u16, body: &str) {
        self.state.lock().unwrap().planned = Some((status, body.to_owned()));
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    fn answer(&self, request: &Request<Bytes>) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        if let Some((status, body)) = &state.planned {
            return (
                *status,
                serde_json::from_str(body).unwrap_or_else(|_| json!(body)),
            );
        }
        if state.is_sealed {
            return (503, errors("Vault is sealed"));
        }
        let name = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if name("x-vault-token") != Some(TOKEN)
            || name("x-vault-namespace").is_some_and(|it| it != "team/a")
        {
            return (403, errors("permission denied"));
        }
        if request.method() != Method::POST
            || name(header::CONTENT_TYPE.as_str()) != Some("application/json")
        {
            return (405, errors("unsupported operation"));
        }
        let operation = match request.uri().path() {
            "/v1/transit/encrypt/hallpass" => "plaintext",
            "/v1/transit/decrypt/hallpass" => "ciphertext",
            path => return (404, errors(&format!("no handler for route {path:?}"))),
        };
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let members = body.as_object().unwrap();
        if members
            .keys()
            .any(|member| member != operation && member != "associated_data")
        {
            return (400, errors("unknown field"));
        }
        let text = |member: &str| {
            members
                .get(member)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let Ok(data) = STANDARD.decode(text("associated_data")) else {
            return (400, errors("failed to base64-decode associated_data"));
        };
        let mut binding = [0; 32];
        for (to, from) in binding.iter_mut().zip(&data) {
            *to = *from;
        }
        let id = KeyId::from_bytes([0; 16]);
        if operation == "plaintext" {
            let Ok(plain) = STANDARD.decode(text("plaintext")) else {
                return (400, errors("failed to base64-decode plaintext"));
            };
            let version = state.keys.len();
            let sealed = seal(id, &state.keys[version - 1], &binding, &plain).unwrap();
            let ciphertext = format!("vault:v{version}:{}", STANDARD.encode(sealed));
            return (
                200,
                success(&json!({ "ciphertext": ciphertext, "key_version": version })),
            );
        }
        let parts = text("ciphertext")
            .strip_prefix("vault:v")
            .and_then(|rest| rest.split_once(':'));
        let Some((version, sealed)) = parts else {
            return (400, errors("invalid ciphertext: no prefix"));
        };
        let version: usize = version.parse().unwrap();
        if version < state.min_decryption_version {
            return (
                400,
                errors("ciphertext or signature version is disallowed by policy (too old)"),
            );
        }
        let sealed = STANDARD.decode(sealed).unwrap();
        match open(&state.keys[version - 1], &binding, &sealed) {
            Ok(plain) => (
                200,
                success(&json!({ "plaintext": STANDARD.encode(&plain[..]) })),
            ),
            Err(_) => (400, errors("cipher: message authentication failed")),
        }
    }
}

fn errors(message: &str) -> Value {
    json!({ "errors": [message] })
}

fn success(data: &Value) -> Value {
    json!({
        "request_id": "8375227a-4a9f-a108-0b89-84c448419e80", "lease_id": "", "renewable": false,
        "lease_duration": 0, "data": data, "wrap_info": null, "warnings": null, "auth": null,
    })
}

impl HttpClient for Transit {
    fn open(
        &self,
        request: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let (status, body) = self.answer(&request);
        let response = Response::builder()
            .status(status)
            .body(Body::whole(body.to_string()));
        Box::pin(async { Ok(response.unwrap()) })
    }
}
