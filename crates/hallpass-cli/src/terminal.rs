//! A person at a terminal: where a login shows its URL and says what it does.

use hallpass::{
    BoxFuture,
    login::{Interaction, LoginEvent, OpenError},
};
use url::Url;

use crate::{browser, environment::Environment, output::Output};

/// Talks on standard error; opens the browser unless it was told not to.
#[derive(Debug)]
pub(crate) struct Terminal {
    environment: Environment,
    output: Output,
    opens_browser: bool,
}

impl Terminal {
    pub(crate) fn new(environment: &Environment, output: Output, opens_browser: bool) -> Self {
        let opens_browser = opens_browser && environment.has_display();
        Self {
            environment: environment.clone(),
            output,
            opens_browser,
        }
    }
}

impl Interaction for Terminal {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async move {
            if self.opens_browser {
                browser::open(url, &self.environment)
            } else {
                Err(OpenError::declined())
            }
        })
    }

    fn event(&self, event: LoginEvent<'_>) {
        match event {
            LoginEvent::Discovered {
                issuer,
                resource: Some(resource),
                ..
            } => {
                self.output
                    .say(&format!("{issuer} signs you in to {resource}"));
            }
            LoginEvent::Visit(visit) => {
                let lead = if self.opens_browser {
                    "your browser should open; if it does not, visit"
                } else {
                    "to sign in, visit"
                };
                self.output.say(&format!("{lead}\n\n  {}\n", visit.url));
                if self.environment.get("SSH_CONNECTION").is_some() {
                    let forward = visit.ssh_forward();
                    self.output.say(&format!(
                        "from another machine, forward the callback port first: ssh {forward} HOST"
                    ));
                }
            }
            LoginEvent::BrowserNotOpened { error } if !error.is_declined() => {
                self.output.say(&format!("no browser was opened: {error}"));
            }
            LoginEvent::Registering {
                anew: Some(why), ..
            } => {
                self.output.say(&format!("registering anew: {why}"));
            }
            LoginEvent::Stray { reason } => {
                self.output
                    .say(&format!("passed over: {}", reason.escape_debug()));
            }
            LoginEvent::Warning(warning) => self.output.say(&format!("note: {warning}")),
            _ => {}
        }
    }
}
