//! `hallpass proxy URL`

mod memory;
mod server;
mod stdio;

use std::{sync::Arc, time::Duration};

use clap::Args;
use hallpass::SystemClock;
use hallpass_proxy::Proxy as Served;

use crate::{
    exit::CommandError,
    global_options::sign_in_seconds,
    open_sign_in::OpenSignIn,
    program::Program,
    server_options::Server,
    server_ref::ServerRef,
    setup::{self, User},
    store,
    terminal::Terminal,
};

/// Connect an MCP host that only supports stdio to a remote server.
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    #[command(flatten)]
    pub(crate) server: Server,

    /// Open a browser when a sign-in is required. Without this option the host gets an error that
    /// names `hallpass login`.
    #[arg(long)]
    pub(crate) interactive: bool,

    /// How long to wait for the user, in seconds; 3600 at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = sign_in_seconds)]
    pub(crate) wait: u64,
}

pub(super) async fn run(proxy: &Proxy, program: &Program) -> Result<(), CommandError> {
    // What is wrong with the command line is said at once, and not to the host.
    let key = setup::key(program, &proxy.server.url, proxy.server.account.as_deref())?;
    let folder = store::folder(program)?;
    let interactive = proxy.interactive && program.environment.is_interactive();
    let user = interactive.then(|| user(proxy, OpenSignIn::new(&key, &folder), program));
    let (server, configured) = server::configured(program, &proxy.server, user)?;
    let server_ref = ServerRef::new(&key, program).keeping(&proxy.server.options);
    let login = format!("run `{}` in a terminal", server_ref.line("login"));
    let line = server_ref.line("proxy");
    let mut served = Served::new(Arc::new(server), Arc::new(SystemClock))
        .with_cache(Arc::new(memory::Files::new(&key, &folder)))
        .sign_in_hint(login)
        .hint_text(move |hint| server_ref.describe_for_command(hint));
    if interactive {
        served = served.interactive();
    }
    if program.environment.stdin_is_terminal() {
        program.output.status(&format!(
            "note: this waits for an MCP host on standard input; put `{line}` into the host's \
             configuration; Ctrl-C ends it"
        ));
    }
    let (input, output, written) = stdio::open(program.output.clone())?;
    let mut stopped = None;
    let stop = async {
        tokio::select! {
            stopping = program.stopping() => stopped = Some(stopping),
            // The host reads no more, or the output can't be written.
            () = written.closed() => {}
        }
    };
    let ended = tokio::select! {
        ended = served.serve_until(input, output, stop) => ended,
        () = configured => Ok(()),
    };
    written.ended().await;
    if let Some(stopped) = stopped {
        return Err(stopped);
    }
    ended.map_err(|error| {
        let remedy = error.remedy();
        CommandError::with_remedy(error, remedy)
    })
}

/// Standard input belongs to the host, so the user is not prompted.
fn user(proxy: &Proxy, open_sign_in: OpenSignIn, program: &Program) -> User {
    let terminal = Terminal::new(&program.environment, program.output.clone(), true)
        .without_typing()
        .with_open_sign_in(open_sign_in);
    User {
        device: false,
        interaction: Arc::new(terminal),
        limit: Duration::from_secs(proxy.wait),
        has_another_account: false,
    }
}
