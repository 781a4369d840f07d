//! A host with a client of its own that takes the HTTP client of Hallpass alone, here with a
//! certificate authority that nobody else knows.

use std::error::Error;

use bytes::Bytes;
use hallpass_core::{HttpClient, http::ExchangePolicy};
use hallpass_http::{CaBundle, Client, HttpConfig, Origin, Trust};
use hallpass_testkit::{AuthorizationServer, AuthorizationServerOptions, ListenOptions, TestCa};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authority = TestCa::new()?;
    let server = AuthorizationServer::start(AuthorizationServerOptions {
        listen: ListenOptions::new("as").over_tls(authority.server()?),
        ..AuthorizationServerOptions::default()
    })
    .await?;

    let client = |trust: Trust| {
        Client::new(HttpConfig {
            trust,
            servers: Origin::parse(server.issuer()).into_iter().collect(),
            ..HttpConfig::default()
        })
    };
    let document = format!("{}/.well-known/oauth-authorization-server", server.issuer());
    let request = || http::Request::get(&document).body(Bytes::new());

    let stranger = client(Trust::Platform)?;
    let stranger: &dyn HttpClient = &stranger;
    match stranger.fetch(request()?, ExchangePolicy::metadata()).await {
        Ok(_) => return Err("a certificate of an unknown authority was taken".into()),
        Err(error) => println!("without the authority: {error}"),
    }
    let bundle = CaBundle::from_pem(authority.pem())?;
    let client = client(Trust::PlatformPlus(bundle))?;
    let client: &dyn HttpClient = &client;
    let answer = client.fetch(request()?, ExchangePolicy::metadata()).await?;
    println!(
        "with it: {}, {} bytes",
        answer.status(),
        answer.body().len()
    );
    Ok(())
}
