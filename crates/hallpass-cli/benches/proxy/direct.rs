//! The same calls with nothing between.

use std::{sync::Arc, time::Instant};

use hallpass::{
    http_client::{Client, HttpConfig},
    mcp::{Endpoint, Request},
};
use http::HeaderValue;

use crate::{
    bridge::{call, milliseconds, rate},
    place::Place,
};

/// How much an answer may have.
const CAP: usize = 1 << 20;

#[derive(Clone)]
pub(crate) struct Direct {
    endpoint: Endpoint,
    token: HeaderValue,
    session: String,
}

impl Direct {
    pub(crate) async fn open(place: &Place) -> Self {
        let http = Arc::new(Client::new(HttpConfig::default()).unwrap());
        let endpoint = Endpoint::new(http, &place.url.parse().unwrap());
        let token = place.token.as_deref().unwrap_or("none");
        let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        let initialize = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
        let answer = endpoint
            .send(&Request::post(initialize), &token)
            .await
            .unwrap();
        let session = answer.session_id().unwrap().to_owned();
        answer.read(CAP).await.unwrap();
        let direct = Self {
            endpoint,
            token,
            session,
        };
        direct
            .post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned())
            .await;
        direct
    }

    async fn post(&self, message: String) {
        let request = Request::post(message).session(&self.session).unwrap();
        let request = request.protocol_version("2025-06-18").unwrap();
        let answer = self.endpoint.send(&request, &self.token).await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.read(CAP).await.unwrap();
    }

    pub(crate) async fn calls(&self, count: usize) -> f64 {
        let mut took = Vec::new();
        for id in 1..=count {
            let began = Instant::now();
            self.post(call(id)).await;
            took.push(milliseconds(began.elapsed()));
        }
        crate::median(took)
    }

    pub(crate) async fn at_once(&self, at_once: usize, count: usize) -> f64 {
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..at_once {
            let direct = self.clone();
            tasks.spawn(async move {
                for id in (1_000_000 + task..1_000_000 + count).step_by(at_once) {
                    direct.post(call(id)).await;
                }
            });
        }
        tasks.join_all().await;
        rate(count, began.elapsed())
    }
}
