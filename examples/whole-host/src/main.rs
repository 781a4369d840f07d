//! A host that takes all of Hallpass: from a server's URL to its tools.
//!
//! The server is a double on loopback, and so is the person who signs in. A real host has a URL
//! from its settings, and a window.

use std::{error::Error, sync::Arc, time::Duration};

use hallpass::{
    BoxFuture, ClientError, Diagnostic, Hallpass,
    login::{Interaction, LoginEvent, OpenError},
    store::{FileStore, KeyFile},
};
use hallpass_testkit::{AuthorizationServer, McpServer, McpServerOptions, Person};
use rmcp::ServiceExt;
use url::Url;

/// How this host shows a URL to a person.
#[derive(Debug)]
struct Window;

impl Interaction for Window {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        let url = url.clone();
        tokio::spawn(async move { Person::new().visit(&url).await });
        Box::pin(async { Ok(()) })
    }

    fn event(&self, event: LoginEvent<'_>) {
        if let LoginEvent::OpenUrl(visit) = event {
            println!("the person signs in at {}", visit.url.path());
        }
    }
}

/// What the host says where a request fails: rmcp's errors in plain words, and what to do.
fn told(error: impl Into<ClientError>) -> String {
    let error = error.into();
    let mut lines = vec![format!("{error} ({})", error.remedy().as_str())];
    lines.extend(error.hints().iter().map(ToString::to_string));
    lines.join("\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = AuthorizationServer::start(Default::default()).await?;
    let server = McpServer::start(McpServerOptions::protected_by(&issuer)).await?;

    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("hallpass");
    for start in ["first start", "second start"] {
        let store = FileStore::open(&folder, KeyFile::in_folder(&folder)).await?;
        let hallpass = Hallpass::builder(server.url().parse()?)
            .store(Arc::new(store))
            .interactive(Arc::new(Window))
            .build()?;
        println!("{start}:");
        let client = ().serve(hallpass.transport()).await.map_err(told)?;
        for tool in client.list_all_tools().await.map_err(told)? {
            println!("  {}", tool.name);
        }
        client.cancel().await?;
        hallpass.close(Duration::from_secs(10)).await?;
    }
    Ok(())
}
