//! Starting a browser: a program and its arguments, never a shell.

use std::process::Stdio;

use hallpass::login::{Desktop, OpenError, open_command};
use url::Url;

use crate::{child, environment::Environment};

/// Starts a browser at `url` and does not wait for it.
pub(crate) fn open(url: &Url, environment: &Environment) -> Result<(), OpenError> {
    let desktop = if cfg!(windows) {
        Desktop::Windows
    } else if cfg!(target_os = "macos") {
        Desktop::MacOs
    } else {
        Desktop::Freedesktop
    };
    let words = open_command(desktop, environment.get("BROWSER"), url)?;
    let Some((program, arguments)) = words.split_first() else {
        return Err(OpenError::new("no command opens a URL here"));
    };
    let mut child = child::command(program, environment)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| OpenError::new(format!("can't start `{program}`")).with_source(error))?;
    // Waited for when it ends, so that it does not stay behind as a zombie.
    std::thread::spawn(move || child.wait());
    Ok(())
}
