//! The commands, one module each.

mod add;
mod call;
mod cimd;
mod completions;
mod demo;
mod doctor;
mod exec;
mod import;
mod list;
mod listing;
mod login;
mod logout;
mod man;
mod prompts;
mod proxy;
mod remove;
mod resources;
mod status;
mod store;
mod token;
mod tools;

use clap::Subcommand;

use crate::{exit::CommandError, program::Program};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in to a server.
    ///
    /// Server options are saved, so that later commands need only the URL. If the configuration file
    /// sets a different value, the option is used for this sign-in only, and later commands use the
    /// file.
    Login(login::Login),
    /// Sign out: revoke the tokens and delete them from the store.
    Logout(logout::Logout),
    /// Show the state of an account, or of every account.
    Status(status::Status),
    /// Add a server to the configuration file.
    Add(add::Add),
    /// Remove a server from the configuration file.
    Remove(remove::Remove),
    /// List the servers in the configuration file, and whether they are signed in.
    List,
    /// Import servers from other programs.
    ///
    /// Reads the configuration of Claude Desktop, Claude Code, Codex, Cursor, Visual Studio Code and
    /// Zed, shows the servers that can be imported, and adds them to the configuration file after
    /// confirmation. An entry that runs mcp-remote is imported as the server behind it. Secrets are
    /// not imported, and existing entries are not replaced.
    Import(import::Import),
    /// List a server's tools, or show the details of one.
    Tools(tools::Tools),
    /// Call a tool.
    Call(call::Call),
    /// List a server's resources, or read one.
    Resources(resources::Resources),
    /// List a server's prompts, or get one.
    Prompts(prompts::Prompts),
    /// Connect an MCP host that only supports stdio to a remote server.
    Proxy(proxy::Proxy),
    /// Diagnose a server step by step, without changing anything.
    Doctor(doctor::Doctor),
    /// Print a valid access token, or the request header with it.
    Token(token::Token),
    /// Run a command with a valid access token in its environment.
    Exec(exec::Exec),
    /// Print a client ID metadata document to publish.
    Cimd(cimd::Cimd),
    /// Manage the credential store.
    Store(store::Store),
    /// Print shell completions.
    Completions(completions::Completions),
    /// Write the manual pages to a folder.
    #[command(hide = true)]
    Man(man::Man),
    /// Run a demonstration against servers inside this program.
    Demo(demo::Demo),
}

impl Command {
    /// Whether the command may create the configuration file.
    pub(crate) fn may_create_config(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Import(_))
    }

    /// Whether `--timeout` applies: a command that serves until it is stopped has no time limit.
    pub(crate) fn has_time_limit(&self) -> bool {
        match self {
            Self::Proxy(_) => false,
            Self::Demo(demo) => !demo.serve,
            _ => true,
        }
    }

    /// Whether it runs as long as its host and mostly waits: one thread is enough, and takes less
    /// memory.
    pub(crate) fn is_long_running(&self) -> bool {
        matches!(self, Self::Proxy(_))
    }
}

/// Runs a command of the command line that `cli` describes.
pub(crate) async fn run(
    command: &Command,
    program: &Program,
    cli: fn() -> clap::Command,
) -> Result<(), CommandError> {
    match command {
        Command::Login(login) => Box::pin(login::run(login, program)).await,
        Command::Logout(logout) => logout::run(logout, program).await,
        Command::Status(status) => status::run(status, program).await,
        Command::Add(add) => add::run(add, program).await,
        Command::Remove(remove) => remove::run(remove, program),
        Command::List => list::run(program).await,
        Command::Import(import) => import::run(import, program).await,
        Command::Tools(tools) => tools::run(tools, program).await,
        Command::Call(call) => call::run(call, program).await,
        Command::Resources(resources) => resources::run(resources, program).await,
        Command::Prompts(prompts) => prompts::run(prompts, program).await,
        Command::Proxy(proxy) => proxy::run(proxy, program).await,
        Command::Doctor(command) => doctor::run(command, program).await,
        Command::Token(token) => token::run(token, program).await,
        Command::Exec(exec) => exec::run(exec, program).await,
        Command::Completions(completions) => completions::run(completions, program),
        Command::Man(man) => man::run(man, cli(), program),
        Command::Cimd(document) => cimd::run(document, program),
        Command::Store(store) => store::run(store, program).await,
        Command::Demo(demo) => demo::run(demo, program).await,
    }
}
