//! The program `hallpass`: sign in to remote MCP servers from a terminal, and call them.
//!
//! What is asked for goes to standard output, everything said about it to standard error. One
//! module reads the environment ([`environment`]), one prints ([`output`]), one decides the exit
//! code ([`exit`]).

mod arguments;
mod bearer;
mod browser;
mod child;
mod client;
mod client_credentials;
mod commands;
mod completion;
mod config;
mod environment;
mod exit;
mod global_options;
mod named_waits;
mod network;
mod open_server;
mod open_sign_in;
mod option_words;
mod output;
mod paint;
mod passphrase;
mod password_prompt;
mod program;
mod saved_options;
mod server_options;
mod server_ref;
mod setting_options;
mod settings;
mod setup;
mod store;
mod terminal;
mod text;
mod token_source;
mod tool_names;
mod trusted;

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::{arguments::Arguments, environment::Environment, output::Output, program::Program};

fn main() -> ExitCode {
    if let Some(answered) = completion::answer() {
        return answered;
    }
    let environment = Environment::read();
    let Arguments {
        global: mut options,
        command,
    } = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => return Output::for_usage_errors(&environment).usage(&error),
    };
    let environment = environment.with_passphrase_in(options.passphrase_env.as_deref());
    let environment = if options.non_interactive || environment.is_non_interactive() {
        environment.non_interactive()
    } else {
        environment
    };
    let output = Output::new(options.json, &environment);
    let output = if command.is_long_running() {
        match output.clone().with_stderr_thread() {
            Ok(output) => output,
            Err(error) => return output.failed(&exit::CommandError::new(error)),
        }
    } else {
        output
    };
    if let Err(failed) = output.log_to_stderr(options.verbose, &environment) {
        return output.failed(&failed);
    }
    if let Some((name, meant)) = environment.misspelled() {
        output.status(&format!(
            "warning: `{name}` is not a variable of this program; did you mean `{meant}`?"
        ));
    }
    let mut runtime = if command.is_long_running() {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = match runtime.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failed(&exit::CommandError::new(error)),
    };
    if !command.has_time_limit() {
        options.timeout = None;
    }
    let mut program = Program::new(options, environment, output);
    program.may_create_config = command.may_create_config();
    program.names_waits = !command.is_long_running();
    program.watch_blocked_main_task(&runtime);
    let ended = runtime.block_on(async {
        let ended = tokio::select! {
            // Signals are listened for before the work begins.
            biased;
            stopped = program.stopped() => Err(stopped),
            ended = commands::run(&command, &program, Arguments::command) => ended,
        };
        program.close().await;
        ended
    });
    // A read that never returns, as of a named pipe, must not keep the process.
    runtime.shutdown_background();
    match ended.and_then(|()| program.output.written()) {
        Ok(()) => {
            program.output.flush_stderr();
            ExitCode::SUCCESS
        }
        Err(failed) => {
            let failed = server_ref::with_store_options(failed, &program);
            program.output.failed(&failed)
        }
    }
}
