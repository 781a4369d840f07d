//! Starting a browser: a program and its arguments, never a shell.

use std::{
    io,
    process::{Child, Stdio},
};

use hallpass::login::{Desktop, OpenError, open_commands};
use url::Url;

use crate::{child, environment::Environment};

/// Starts a browser at `url` and does not wait for it. A command whose program is not installed is
/// skipped. One that ends with an error goes to `report` when that happens.
pub(crate) fn open(
    url: &Url,
    environment: &Environment,
    report: impl FnOnce(String) + Send + 'static,
) -> Result<(), OpenError> {
    let commands = open_commands(desktop(environment), environment.get("BROWSER"), url)?;
    let mut failed = OpenError::new("no command opens a URL here");
    for words in &commands {
        let Some((program, arguments)) = words.split_first() else {
            continue;
        };
        match start(program, arguments, environment) {
            Ok(mut child) => {
                let program = program.clone();
                // Waited for when it ends, so that it does not stay behind as a zombie.
                std::thread::spawn(move || {
                    if let Ok(ended) = child.wait()
                        && !ended.success()
                    {
                        report(format!("`{program}` ended with {ended}"));
                    }
                });
                return Ok(());
            }
            Err(error) => {
                let is_missing = error.kind() == io::ErrorKind::NotFound;
                failed = OpenError::with_cause(format!("can't start `{program}`"), error);
                if !is_missing {
                    break;
                }
            }
        }
    }
    Err(failed)
}

fn desktop(environment: &Environment) -> Desktop {
    if cfg!(windows) {
        Desktop::Windows
    } else if cfg!(target_os = "macos") {
        Desktop::MacOs
    } else if environment.is_wsl() {
        Desktop::Wsl
    } else {
        Desktop::Freedesktop
    }
}

fn start(program: &str, arguments: &[String], environment: &Environment) -> io::Result<Child> {
    child::command(program, environment)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

#[cfg(all(test, unix, not(target_os = "macos")))]
mod tests {
    use super::*;

    #[test]
    fn missing_program_is_skipped() {
        let url = Url::parse("https://as.example/").unwrap();
        let open = |browser: &str| {
            open(
                &url,
                &Environment::from_variables(&[("BROWSER", browser)]),
                drop,
            )
        };
        assert!(open("/nonexistent/browser:/bin/true").is_ok());
        let failed = open("/nonexistent/browser:/nonexistent/other").unwrap_err();
        assert_eq!(failed.to_string(), "can't start `/nonexistent/other`");
        let failed = open("/:/bin/true").unwrap_err();
        assert_eq!(failed.to_string(), "can't start `/`");
    }

    #[test]
    fn subsystem_for_linux_is_recognized() {
        let environment = Environment::from_variables(&[("WSL_DISTRO_NAME", "Debian")]);
        assert_eq!(desktop(&environment), Desktop::Wsl);
        assert_eq!(
            desktop(&Environment::from_variables(&[])),
            Desktop::Freedesktop
        );
    }
}
