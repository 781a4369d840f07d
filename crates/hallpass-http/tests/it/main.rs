//! The client against servers on real loopback sockets.
#![expect(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod address;
mod authority;
mod environment;
mod headers;
mod http2;
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
use hallpass_core::{
    BoxFuture, Diagnostic, Hint, HttpClient, HttpError, ServerUrl, http::RequestOptions,
};
use hallpass_http::{Client, HttpConfig, Origin, Resolver};
use http::{Request, Response};

/// A name table that a test may change between requests, and that counts its questions.
#[derive(Debug, Default)]
struct Names {
    table: Mutex<HashMap<String, Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn new(entries: &[(&str, &str)]) -> Arc<Self> {
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

/// A client with the usual configuration.
fn client() -> Client {
    Client::new(HttpConfig::default()).unwrap()
}

/// The MCP server at a URL, if one can be there.
fn server_at(url: &str) -> ServerUrl {
    ServerUrl::parse(url).unwrap_or_else(|_| ServerUrl::parse("https://mcp.test").unwrap())
}

async fn send(
    client: &Client,
    request: Request<Bytes>,
    policy: RequestOptions,
) -> Result<Response<Bytes>, HttpError> {
    let client: &dyn HttpClient = client;
    client.fetch(request, policy).await
}

/// Asks the MCP server at `url` itself.
async fn get(client: &Client, url: &str) -> Result<Response<Bytes>, HttpError> {
    get_for(client, url, url).await
}

/// Asks `url`, which metadata of `server` names.
async fn get_for(client: &Client, server: &str, url: &str) -> Result<Response<Bytes>, HttpError> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    send(
        client,
        request,
        RequestOptions::metadata(&server_at(server)),
    )
    .await
}

/// Posts to `url`, which metadata of `server` names.
async fn post_for(
    client: &Client,
    server: &str,
    url: &str,
    body: &'static str,
) -> Result<Response<Bytes>, HttpError> {
    let request = Request::post(url).body(Bytes::from_static(body.as_bytes()));
    let policy = RequestOptions::authorization_server(&server_at(server));
    send(client, request.unwrap(), policy).await
}

/// What an error advises.
fn advice(error: &dyn Diagnostic) -> String {
    let hints: Vec<String> = error.hints().iter().map(Hint::to_string).collect();
    hints.join("\n")
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
