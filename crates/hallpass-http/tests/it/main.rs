//! The client against servers on real loopback sockets.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod address;
mod authority;
mod environment;
mod headers;
mod identity;
mod limits;
mod proxy;
mod redirects;
mod reqwest_client;
mod server;
mod socks;
mod tls;
mod wire;

use std::{
    collections::HashMap,
    error::Error,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use hallpass_core::{BoxFuture, HttpClient, HttpError, http::ExchangePolicy};
use hallpass_http::{Client, HttpConfig, Origin, Resolver};
use http::{Request, Response};

/// A name table that a test may change between requests, and that counts its questions.
#[derive(Debug, Default)]
struct Names {
    table: Mutex<HashMap<String, Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn of(entries: &[(&str, &str)]) -> Arc<Self> {
        let names = Self::default();
        for (name, address) in entries {
            names.set(name, address);
        }
        Arc::new(names)
    }

    fn set(&self, name: &str, address: &str) {
        let addresses = vec![address.parse().unwrap()];
        self.table
            .lock()
            .unwrap()
            .insert(name.to_owned(), addresses);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolver for Names {
    fn resolve(&self, host: &str) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let found = self.table.lock().unwrap().get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn origin(url: &str) -> Origin {
    Origin::parse(url).unwrap()
}

/// A client whose only server is `url`.
fn client_for(url: &str) -> Client {
    Client::new(HttpConfig {
        servers: vec![origin(url)],
        ..HttpConfig::default()
    })
    .unwrap()
}

async fn send(
    client: &Client,
    request: Request<Bytes>,
    policy: ExchangePolicy,
) -> Result<Response<Bytes>, HttpError> {
    let client: &dyn HttpClient = client;
    client.fetch(request, policy).await
}

async fn get(client: &Client, url: &str) -> Result<Response<Bytes>, HttpError> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    send(client, request, ExchangePolicy::metadata()).await
}

async fn post(
    client: &Client,
    url: &str,
    body: &'static str,
) -> Result<Response<Bytes>, HttpError> {
    let request = Request::post(url).body(Bytes::from_static(body.as_bytes()));
    send(
        client,
        request.unwrap(),
        ExchangePolicy::authorization_server(),
    )
    .await
}

/// The texts of an error and of all its causes, one on a line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push('\n');
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
