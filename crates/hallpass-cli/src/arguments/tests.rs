use std::collections::BTreeSet;

use clap::{Args, CommandFactory};

use super::*;
use crate::server_options::ServerOptions;

#[test]
fn nothing_but_server_options_stands_under_their_heading() {
    let server = ServerOptions::augment_args(clap::Command::new("server"));
    let server: BTreeSet<_> = server
        .get_arguments()
        .map(|it| it.get_id().clone())
        .collect();
    let mut commands = vec![Arguments::command()];
    while let Some(command) = commands.pop() {
        for argument in command.get_arguments() {
            let is_below = argument.get_help_heading() == Some("Server options");
            let (command, argument) = (command.get_name(), argument.get_id());
            assert!(
                !is_below || server.contains(argument),
                "{command} {argument}"
            );
        }
        commands.extend(command.get_subcommands().cloned());
    }
}
