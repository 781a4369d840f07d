//! The command line.

use clap::{
    CommandFactory as _, FromArgMatches as _, Parser,
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

/// The options below a heading that `-h` shows: those that most calls need. `--help` shows all.
const SHORT_HELP: &[&str] = &[
    "json",
    "verbose",
    "non_interactive",
    "scope",
    "client_id",
    "header",
];

impl Arguments {
    /// The command line, with a short `-h`.
    pub(crate) fn described() -> clap::Command {
        with_short_help(Self::command())
    }

    /// Reads the command line of this process.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let matches = Self::described().try_get_matches();
        let read = matches.and_then(|matches| {
            Self::from_arg_matches(&matches).map_err(|error| error.format(&mut Self::described()))
        });
        read.map_err(|mut error| {
            let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
            if let Some(tip) = tip(error.kind(), &words.collect::<Vec<_>>()) {
                // What clap suggests there is an option that only looks alike.
                error.remove(ContextKind::SuggestedArg);
                let tip = ContextValue::StyledStrs(vec![tip.into()]);
                error.insert(ContextKind::Suggested, tip);
            }
            error
        })
    }
}

fn with_short_help(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let is_shown = SHORT_HELP.contains(&argument.get_id().as_str());
        let is_apart = argument.get_help_heading().is_some();
        argument.hide_short_help(is_apart && !is_shown)
    });
    command.mut_subcommands(with_short_help)
}

/// Advice where the command tells more than clap knows.
fn tip(kind: ErrorKind, words: &[String]) -> Option<String> {
    const COMMANDS: [&str; 4] = ["add", "call", "exec", "import"];
    let at = words
        .iter()
        .position(|it| COMMANDS.contains(&it.as_str()))?;
    let next = words.get(at + 1).map(String::as_str);
    match (words[at].as_str(), kind) {
        ("add", ErrorKind::MissingRequiredArgument) => {
            let url = next.filter(|word| word.contains('/'))?;
            Some(format!(
                "choose a name for the server: hallpass add NAME {url}"
            ))
        }
        ("call", ErrorKind::MissingRequiredArgument) => {
            Some(format!("`hallpass tools {}` lists the tools", next?))
        }
        ("call", ErrorKind::UnknownArgument) => {
            Some("the arguments of a tool have no dashes: `name=value`".to_owned())
        }
        ("exec", ErrorKind::UnknownArgument) => {
            Some("`--` stands before the command: hallpass exec URL -- COMMAND".to_owned())
        }
        ("import", ErrorKind::UnknownArgument) => {
            Some("it finds the files itself; `--from PROGRAM` names a program".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
