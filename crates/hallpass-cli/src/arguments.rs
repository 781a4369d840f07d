//! The command line.

use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

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

impl Arguments {
    /// Reads the command line of this process.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::try_parse().map_err(|mut error| {
            let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
            if let Some(tip) = tip(error.kind(), words) {
                let tip = ContextValue::StyledStrs(vec![tip.into()]);
                error.insert(ContextKind::Suggested, tip);
            }
            error
        })
    }
}

/// Advice for `hallpass add URL`, which lacks a name.
fn tip(kind: ErrorKind, words: impl Iterator<Item = String>) -> Option<String> {
    let mut after = words.skip_while(|word| word != "add").skip(1);
    let url = after.next().filter(|word| word.contains('/'))?;
    let lacks_name = kind == ErrorKind::MissingRequiredArgument;
    lacks_name.then(|| format!("choose a name for the server: hallpass add NAME {url}"))
}

#[cfg(test)]
mod tests;
