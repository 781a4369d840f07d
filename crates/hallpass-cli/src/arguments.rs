//! The command line.

use clap::Parser;

use crate::{commands::Command, global_options::GlobalOptions};

/// Sign in to remote MCP servers, and call them.
///
/// Exit codes: 0 fine, 2 the command line or a setting has to change, 3 a sign-in is needed, 4 refused by the server or by the
/// person, 5 the network or another passing fault, 1 anything else.
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
