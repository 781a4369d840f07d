//! A host that makes many calls in one process: `cargo xtask real` has it talk to servers that
//! others wrote.
//!
//! `cargo run -p hallpass --example caller -- URL FOLDER BROWSER TOOL[*COUNT]…`
//!
//! BROWSER is a command that takes a URL: words with spaces between them. The last line of the output
//! is how often it was run.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hallpass::{
    BoxFuture, ClientError, Diagnostic, Hallpass,
    login::{Interaction, LoginEvent, OpenError},
    store::{FileStore, KeyFile},
};
use rmcp::{ServiceExt, model::CallToolRequestParams};
use tokio::process::Command;
use url::Url;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, folder, browser, calls @ ..] = arguments.as_slice() else {
        return Err("the arguments are URL, FOLDER, BROWSER and the tools to call".into());
    };
    let folder = Path::new(folder);
    let store = FileStore::open(folder, KeyFile::in_folder(folder)).await?;
    let browser = Arc::new(Browser {
        words: browser.split(' ').map(str::to_owned).collect(),
        opened: AtomicUsize::new(0),
    });
    let hallpass = Hallpass::builder(url.parse()?)
        .store(Arc::new(store))
        .interactive(Arc::clone(&browser) as Arc<dyn Interaction>)
        .build()?;

    let client = ().serve(hallpass.transport()).await.map_err(told)?;
    for call in calls {
        let (tool, count) = call.split_once('*').unwrap_or((call, "1"));
        for _ in 0..count.parse::<usize>()? {
            let request = CallToolRequestParams::new(tool.to_owned());
            let answer = client.call_tool(request).await.map_err(told)?;
            if answer.is_error == Some(true) {
                return Err(format!("{tool} has failed").into());
            }
        }
        println!("{call}");
    }
    client.cancel().await?;
    hallpass.close(std::time::Duration::from_secs(10)).await?;
    println!("{}", browser.opened.load(Ordering::SeqCst));
    Ok(())
}

/// What the host says where a request fails: rmcp's errors in plain words, and what to do.
fn told(error: impl Into<ClientError>) -> String {
    let error = error.into();
    let mut lines = vec![format!("{error} ({})", error.remedy().as_str())];
    lines.extend(error.hints().iter().map(ToString::to_string));
    lines.join("\n")
}

/// A command in the place of a window.
#[derive(Debug)]
struct Browser {
    words: Vec<String>,
    opened: AtomicUsize,
}

impl Interaction for Browser {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let (program, words) = self.words.split_first().ok_or(OpenError::Declined)?;
            let started = Command::new(program).args(words).arg(url.as_str()).spawn();
            let mut browser = started
                .map_err(|error| OpenError::with_cause("the browser did not start", error))?;
            // It ends when the callback's page has come, which is after this login's end.
            tokio::spawn(async move { browser.wait().await });
            Ok(())
        })
    }

    fn event(&self, _: LoginEvent<'_>) {}
}
