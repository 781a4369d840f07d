use std::collections::BTreeSet;

use clap::{Args, CommandFactory};

use super::*;
use crate::server_options::ServerOptions;

#[test]
fn each_group_of_options_has_its_heading_and_no_other_option_has_one() {
    let ids = |command: clap::Command| -> BTreeSet<_> {
        command
            .get_arguments()
            .map(|it| it.get_id().clone())
            .collect()
    };
    let groups = [
        (
            "Server options",
            ids(ServerOptions::augment_args(clap::Command::new("server"))),
        ),
        (
            "Global options",
            ids(GlobalOptions::augment_args(clap::Command::new("global"))),
        ),
    ];
    let mut program = Arguments::command();
    program.build();
    let mut commands = vec![program];
    while let Some(command) = commands.pop() {
        for argument in command.get_arguments() {
            let heading = argument.get_help_heading();
            let (command, argument) = (command.get_name(), argument.get_id());
            for (name, group) in &groups {
                let is_below = heading == Some(name);
                assert!(
                    !is_below || group.contains(argument),
                    "{command} {argument}"
                );
            }
            let is_global = groups[1].1.contains(argument) && command != "help";
            assert!(
                !is_global || heading == Some("Global options"),
                "{command} {argument}"
            );
        }
        commands.extend(command.get_subcommands().cloned());
    }
}
