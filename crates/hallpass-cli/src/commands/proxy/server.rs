//! The server as it is configured now: its options and its credentials may be changed by `login` in
//! another process while this one runs.

use std::future::Future;

use hallpass::{BoxFuture, Hallpass, mcp::AuthorizedEndpoint};
use hallpass_proxy::{NoEndpoint, Server};
use tokio::sync::{mpsc, oneshot};

use crate::{
    exit::CommandError,
    program::Program,
    server_options::{self, ServerOptions},
    setup::{Options, Setup, User},
};

type Answer = Result<AuthorizedEndpoint, NoEndpoint>;

/// What the proxy asks.
#[derive(Debug)]
pub(super) struct Configured(mpsc::Sender<oneshot::Sender<Answer>>);

impl Server for Configured {
    fn endpoint(&self) -> BoxFuture<'_, Answer> {
        Box::pin(async {
            let (answer, answered) = oneshot::channel();
            // Both ends live as long as the program.
            let _ = self.0.send(answer).await;
            answered.await.unwrap_or_else(|_| {
                Err(NoEndpoint::new(
                    hallpass::Remedy::Report,
                    "the program ends",
                ))
            })
        })
    }
}

/// What the last look came to.
struct Current {
    options: ServerOptions,
    hallpass: Hallpass,
    /// Whether the store was there: one that is made later is another.
    keeps: bool,
}

/// The server that the command line names, and the work of looking it up, to be run beside the
/// proxy. Options that can't be meant so are an error at once.
pub(super) fn configured<'a>(
    program: &'a Program,
    server: &'a server_options::Server,
    user: Option<User>,
) -> Result<(Configured, impl Future<Output = ()> + 'a), CommandError> {
    Setup::check(program, server)?;
    let (questions, mut asked) = mpsc::channel::<oneshot::Sender<Answer>>(1);
    let work = async move {
        let mut current = None;
        while let Some(question) = asked.recv().await {
            let looked = look(program, server, user.as_ref(), &mut current).await;
            let _ = question.send(looked.map_err(failed));
        }
    };
    Ok((Configured(questions), work))
}

async fn look(
    program: &Program,
    server: &server_options::Server,
    user: Option<&User>,
    current: &mut Option<Current>,
) -> Result<AuthorizedEndpoint, CommandError> {
    if let Some(current) = current.as_ref().filter(|current| current.keeps)
        && Setup::options(program, server)? == current.options
    {
        return Ok(current.hallpass.endpoint());
    }
    let setup = Setup::new(program, server, Options::Saved, user.cloned()).await?;
    let endpoint = setup.hallpass.endpoint();
    *current = Some(Current {
        options: setup.options,
        hallpass: setup.hallpass,
        keeps: setup.keeps,
    });
    Ok(endpoint)
}

fn failed(failed: CommandError) -> NoEndpoint {
    let (remedy, hints) = (failed.remedy(), failed.hints().to_vec());
    NoEndpoint::new(remedy, "can't set up the connection to the server")
        .with_hints(hints)
        .with_source(failed.into_source())
}
