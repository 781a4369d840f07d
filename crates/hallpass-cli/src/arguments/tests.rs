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

#[test]
fn short_help_shows_few_options_and_long_help_all() {
    let mut command = Arguments::described();
    command.build();
    for name in ["login", "tools", "call", "proxy", "doctor"] {
        let command = command.find_subcommand_mut(name).unwrap();
        let short = command.render_help().to_string();
        let long = command.render_long_help().to_string();
        assert!(short.lines().count() <= 40, "{short}");
        for option in ["--scope", "--json", "--verbose", "see more with '--help'"] {
            assert!(short.contains(option), "{option}: {short}");
        }
        for option in ["--client-key-id", "--key-store", "--scope", "--json"] {
            assert!(long.contains(option), "{option}: {long}");
        }
        assert!(!short.contains("--client-key-id"), "{short}");
        assert!(!short.contains("--key-store"), "{short}");
        assert!(short.contains("\nGlobal options:\n"), "{short}");
    }
}
