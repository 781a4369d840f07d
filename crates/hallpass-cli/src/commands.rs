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
    /// Server options that are given are remembered, so that later commands need nothing but the URL.
    /// What the configuration file sets otherwise holds for this sign-in alone: later commands go by
    /// the file.
    Login(login::Login),
    /// Sign out: revoke the tokens at the server and forget them here.
    Logout(logout::Logout),
    /// Show where an account stands; without a URL, every account.
    Status(status::Status),
    /// Give a server a name: it stands in the configuration file.
    Add(add::Add),
    /// Take a server's name away.
    Remove(remove::Remove),
    /// List the servers that have names.
    List,
    /// Take over the servers that other programs know.
    ///
    /// Reads the configuration of Claude Desktop, Claude Code, Codex, Cursor, Visual Studio Code and
    /// Zed, shows what can be taken over, and writes it to the configuration file when it was told to.
    /// A program that runs mcp-remote stands for the server behind it. No secret is taken over, and
    /// nothing that is there is replaced.
    Import(import::Import),
    /// List a server's tools, or show one in full.
    Tools(tools::Tools),
    /// Call one of a server's tools.
    Call(call::Call),
    /// List a server's resources, or read one.
    Resources(resources::Resources),
    /// List a server's prompts, or get one.
    Prompts(prompts::Prompts),
    /// Serve a remote server on standard input and output, for hosts that speak only stdio.
    Proxy(proxy::Proxy),
    /// Say why a server does not work, step by step; changes nothing.
    Doctor(doctor::Doctor),
    /// Print a fresh access token, or the header that carries it.
    Token(token::Token),
    /// Run a command that finds a fresh access token in its environment.
    Exec(exec::Exec),
    /// Print the client metadata document to publish, for servers that read those.
    Cimd(cimd::Cimd),
    /// Look after what is kept: list, rekey, move, export, import, forget.
    Store(store::Store),
    /// Print completions for a shell.
    Completions(completions::Completions),
    /// Write the manual pages to a folder.
    #[command(hide = true)]
    Man(man::Man),
    /// Show the whole way against servers that run inside this program.
    Demo(demo::Demo),
}

impl Command {
    /// Whether the configuration file may come into being by it.
    pub(crate) fn may_create_config(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Import(_))
    }

    /// Whether `--timeout` counts: not for what serves until it is told to end.
    pub(crate) fn has_time_limit(&self) -> bool {
        match self {
            Self::Proxy(_) => false,
            Self::Demo(demo) => !demo.serve,
            _ => true,
        }
    }

    /// Whether it runs for as long as a host does, and mostly waits: one thread is enough for it, and
    /// takes less memory.
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
        Command::Login(login) => login::run(login, program).await,
        Command::Logout(logout) => logout::run(logout, program).await,
        Command::Status(status) => status::run(status, program).await,
        Command::Add(add) => add::run(add, program),
        Command::Remove(remove) => remove::run(remove, program),
        Command::List => list::run(program),
        Command::Import(import) => import::run(import, program).await,
        Command::Tools(tools) => tools::run(tools, program).await,
        Command::Call(call) => call::run(call, program).await,
        Command::Resources(resources) => resources::run(resources, program).await,
        Command::Prompts(prompts) => prompts::run(prompts, program).await,
        Command::Proxy(proxy) => proxy::run(proxy, program).await,
        Command::Doctor(command) => doctor::run(command, program).await,
        Command::Token(token) => token::run(token, program).await,
        Command::Exec(exec) => exec::run(exec, program).await,
        Command::Completions(completions) => completions::run(completions, cli(), program),
        Command::Man(man) => man::run(man, cli(), program),
        Command::Cimd(document) => cimd::run(document, program),
        Command::Store(store) => store::run(store, program).await,
        Command::Demo(demo) => demo::run(demo, program).await,
    }
}
