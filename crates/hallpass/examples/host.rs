//! What a host writes: from a server's URL to its tools.
//!
//! `cargo run -p hallpass --example host -- URL FOLDER`

use std::{path::Path, sync::Arc, time::Duration};

use hallpass::{
    BoxFuture, ClientError, Diagnostic, Hallpass,
    login::{Interaction, LoginEvent, OpenError},
    store::{FileStore, KeyFile},
};
use rmcp::ServiceExt;
use url::Url;

/// The host's own way to show a URL to a user.
#[derive(Debug)]
struct MyWindow;

impl Interaction for MyWindow {
    fn open<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async { Err(OpenError::Declined) })
    }

    #[expect(clippy::print_stderr, reason = "an example talks to whoever runs it")]
    fn event(&self, event: LoginEvent<'_>) {
        if let LoginEvent::OpenUrl(visit) = event {
            eprintln!("sign in at {}", visit.url);
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
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("the first argument is the server's URL")?;
    let folder = arguments
        .next()
        .ok_or("the second is a folder for credentials")?;
    let folder = Path::new(&folder);

    let store = FileStore::open(folder, KeyFile::in_folder(folder)).await?;
    let hallpass = Hallpass::builder(url.parse()?)
        .store(Arc::new(store))
        .interactive(Arc::new(MyWindow))
        .build()?;

    let client = ().serve(hallpass.transport()).await.map_err(told)?;
    for tool in client.list_all_tools().await.map_err(told)? {
        println!("{}", tool.name);
    }
    client.cancel().await?;
    hallpass.close(Duration::from_secs(10)).await?;
    Ok(())
}
