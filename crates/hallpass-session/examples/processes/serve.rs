//! The servers for checks that run other programs.

use std::time::Duration;

use hallpass_testkit::{Endpoint, Person};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use url::Url;

use crate::servers::Servers;

/// Prints the MCP server's URL and serves until standard input ends. A line there ends every access
/// token, and is answered with the number of refreshes so far.
pub(crate) async fn run() -> bool {
    let servers = Servers::start(Duration::from_secs(3600)).await;
    println!("{}", servers.server.url());
    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await.unwrap().is_some() {
        println!("{}", servers.issuer.requests_to(Endpoint::Refresh).len());
        servers.issuer.expire_access_tokens();
    }
    true
}

/// Goes to a sign-in page and says yes.
pub(crate) async fn visit(url: &str) -> bool {
    Person::new().visit(&Url::parse(url).unwrap()).await.is_ok()
}
