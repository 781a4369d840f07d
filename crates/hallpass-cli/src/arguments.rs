//! The command line.

use clap::Parser;

use crate::{commands::Command, global_options::GlobalOptions};

/// Sign in to remote MCP servers, and call them.
///
/// Exit codes: 0 success, 2 the command line or a setting has to change, 3 a sign-in is required, 4 refused by the server or
/// the user, 5 a network error or another temporary error, 1 any other error.
#[derive(Debug, Parser)]
#[command(name = "hallpass", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[cfg(test)]
mod tests;
