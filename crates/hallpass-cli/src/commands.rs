//! The commands, one module each.

mod call;
mod cimd;
mod demo;
mod login;
mod logout;
mod status;
mod token;
mod tools;

use hallpass::Hallpass;

use crate::{
    arguments::{Arguments, Command},
    environment::Environment,
    exit::{Code, Failed},
    output::Output,
};

/// Runs the command that was asked for.
pub(crate) async fn run(
    arguments: &Arguments,
    environment: &Environment,
    output: &Output,
) -> Result<(), Failed> {
    match &arguments.command {
        Command::Login(login) => login::run(login, arguments, environment, output).await,
        Command::Logout(logout) => logout::run(logout, arguments, environment, output).await,
        Command::Status(status) => status::run(status, arguments, environment, output).await,
        Command::Tools(server) => tools::run(server, arguments, environment, output).await,
        Command::Call(call) => call::run(call, arguments, environment, output).await,
        Command::Token(server) => token::run(server, arguments, environment, output).await,
        Command::Cimd(document) => cimd::run(document, output),
        Command::Demo(demo) => demo::run(demo, environment, output).await,
    }
}

/// A failure, with the line that signs in where that is what is missing.
fn with_login_line(failed: Failed, hallpass: &Hallpass) -> Failed {
    if failed.is(Code::SignInNeeded) {
        failed.hint(login_line(hallpass))
    } else {
        failed
    }
}

/// The command that signs in to this server.
fn login_line(hallpass: &Hallpass) -> String {
    let slot = hallpass.slot();
    if slot.profile == hallpass::Profile::default() {
        format!("hallpass login {}", slot.server)
    } else {
        format!("hallpass login {} --account {}", slot.server, slot.profile)
    }
}
