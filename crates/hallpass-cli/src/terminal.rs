//! A user at a terminal: where a login shows its URL and says what it does.

use std::{
    io::stdin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use hallpass::{
    BoxFuture, Clock as _, SystemClock,
    login::{DeviceCode, Interaction, LoginEvent, LoginWarning, OpenError, TokenHost},
};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, unbounded_channel},
};
use url::Url;

use crate::{
    browser,
    environment::Environment,
    exit::{Code, CommandError},
    open_sign_in::OpenSignIn,
    output::Output,
    program::Program,
    setting_options, text,
};

/// Talks on standard error; opens the browser unless it was told not to.
#[derive(Debug)]
pub(crate) struct Terminal {
    environment: Environment,
    output: Output,
    opens_browser: bool,
    /// Whether the user asked for a code for another device.
    asks_for_code: bool,
    typed: InputLines,
    /// Whether the user is done, so that a browser that ends matters no more.
    is_over: Arc<AtomicBool>,
    open_sign_in: Option<OpenSignIn>,
    /// The advice to diagnose the server.
    doctor: Option<String>,
}

/// How soon a process looks again for what the one that asks the user notes.
const NOTE_INTERVAL: Duration = Duration::from_millis(250);

/// The lines that the user types at a terminal. Nothing is read before the first is requested.
#[derive(Debug)]
pub(crate) struct InputLines {
    is_terminal: bool,
    lines: Mutex<Option<UnboundedReceiver<String>>>,
}

impl InputLines {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self {
            is_terminal: environment.stdin_is_terminal(),
            lines: Mutex::default(),
        }
    }

    /// The next line; none when there will be no more.
    pub(crate) async fn line(&self) -> Option<String> {
        if !self.is_terminal {
            return None;
        }
        self.lines
            .lock()
            .await
            .get_or_insert_with(read_lines)
            .recv()
            .await
    }
}

impl Terminal {
    pub(crate) fn new(environment: &Environment, output: Output, opens_browser: bool) -> Self {
        let opens_browser = opens_browser && environment.has_display();
        Self {
            environment: environment.clone(),
            output,
            opens_browser,
            asks_for_code: false,
            typed: InputLines::new(environment),
            is_over: Arc::default(),
            open_sign_in: None,
            doctor: None,
        }
    }

    /// The same for a user who asks for a code for another device.
    pub(crate) fn asking_for_code(mut self, asks: bool) -> Self {
        self.asks_for_code = asks;
        self
    }

    /// The same, whose sign-in other processes of the user find there.
    pub(crate) fn with_open_sign_in(mut self, open_sign_in: OpenSignIn) -> Self {
        self.open_sign_in = Some(open_sign_in);
        self
    }

    /// The same, which advises to diagnose a server that answers a status that is not expected.
    pub(crate) fn with_doctor(mut self, doctor: String) -> Self {
        self.doctor = Some(doctor);
        self
    }

    /// The same, without standard input.
    pub(crate) fn without_typing(mut self) -> Self {
        self.typed.is_terminal = false;
        self
    }

    /// Whether a browser is at hand.
    pub(crate) fn opens_browser(&self) -> bool {
        self.opens_browser
    }

    fn show_device_code(&self, device: DeviceCode<'_>) {
        self.output.status(&format!(
            "or on another device, visit\n\n  {}\n\nand enter the code {}",
            device.verification_uri,
            text::line(device.user_code)
        ));
        if let Some(url) = device.verification_uri_complete {
            self.output
                .status(&format!("the same with the code in it:\n\n  {url}\n"));
        }
    }
}

impl Interaction for Terminal {
    fn open<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<(), OpenError>> {
        Box::pin(async move {
            if self.opens_browser {
                let (output, is_over) = (self.output.clone(), Arc::clone(&self.is_over));
                let visit = url.clone();
                browser::open(url, &self.environment, move |failed| {
                    if !is_over.load(Ordering::SeqCst) {
                        output.status(&format!(
                            "the browser was not opened: {failed}; to sign in, visit\n\n  {visit}\n"
                        ));
                    }
                })
            } else {
                Err(OpenError::Declined)
            }
        })
    }

    fn pasted(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(self.typed.line())
    }

    /// Shows both hosts, and reads the answer where the user has a terminal.
    fn confirm_token_host<'a>(&'a self, token_host: &'a TokenHost) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async move {
            if !self.typed.is_terminal {
                return None;
            }
            let (issuer, hosts) = (&token_host.issuer, &token_host.hosts);
            self.output.status(&format!(
                "note: {token_host}\n  {issuer} names both hosts, and they may have different \
                 operators."
            ));
            let question = format!(
                "do {} and {} belong to one operator? yes or no [no]: ",
                hosts.page, hosts.token
            );
            self.output.ask(&question);
            let answer = self.typed.line().await?.trim().to_lowercase();
            Some(matches!(answer.as_str(), "y" | "yes"))
        })
    }

    /// Says which process asks the user, and as soon as that is known, since when and where.
    fn waits_for_process<'a>(&'a self, holder: Option<&'a str>) -> BoxFuture<'a, ()> {
        let name = holder.unwrap_or("another process");
        self.output.status(&format!(
            "{name} already asks for this sign-in; waiting until it is done"
        ));
        Box::pin(async move {
            let (Some(holder), Some(other)) = (holder, &self.open_sign_in) else {
                return;
            };
            let note = loop {
                match other.read(holder) {
                    Some(note) => break note,
                    None => SystemClock.sleep(NOTE_INTERVAL).await,
                }
            };
            let waited = note.describe(holder);
            self.output.status(&format!("{waited}\n\n  {}\n", note.url));
        })
    }

    fn event(&self, event: LoginEvent<'_>) {
        match event {
            LoginEvent::CodeReceived | LoginEvent::Ended => {
                self.is_over.store(true, Ordering::SeqCst);
                if let Some(open) = &self.open_sign_in {
                    open.remove();
                }
            }
            LoginEvent::Discovered {
                issuer,
                resource: Some(resource),
                ..
            } => {
                self.output
                    .status(&format!("signing in to {resource} at {issuer}"));
            }
            LoginEvent::OpenUrl(visit) => {
                self.is_over.store(false, Ordering::SeqCst);
                tracing::info!("waiting for the browser at {}", visit.redirect_uri);
                if let Some(open) = &self.open_sign_in {
                    open.write(visit.url);
                }
                let lead = if self.opens_browser {
                    "a browser should open; if not, visit"
                } else {
                    "to sign in, visit"
                };
                self.output.status(&format!("{lead}\n\n  {}\n", visit.url));
                if self.environment.stdin_is_terminal() {
                    self.output
                        .status("if the last page can't be loaded, paste its whole address here");
                }
                if self.environment.get("SSH_CONNECTION").is_some() {
                    let forward = visit.ssh_forward();
                    self.output.status(&format!(
                        "from another machine, forward the callback port first: ssh {forward} HOST"
                    ));
                }
            }
            LoginEvent::BrowserNotOpened { error } if !matches!(error, OpenError::Declined) => {
                self.output
                    .status(&format!("no browser was opened: {error}"));
            }
            LoginEvent::DeviceCode(device) => self.show_device_code(device),
            LoginEvent::DeviceEnded { error } => {
                let hints = error.hints();
                let hints = hints.iter().map(setting_options::describe);
                let lines = hints.map(|hint| format!("\n  hint: {hint}"));
                self.output.status(&format!(
                    "a sign-in with a code is not possible: {}{}",
                    text::with_causes(error),
                    lines.collect::<String>()
                ));
            }
            LoginEvent::PasteRefused { error } => {
                self.output.status(&format!("{error}: {}", error.hint()));
            }
            LoginEvent::Registering {
                reason: Some(reason),
                ..
            } => {
                self.output
                    .status(&format!("registering a new client: {reason}"));
            }
            LoginEvent::Stray { reason } => {
                self.output
                    .status(&format!("ignored a request: {}", text::line(reason)));
            }
            LoginEvent::Warning(LoginWarning::NoDeviceGrant { .. }) if !self.asks_for_code => {}
            LoginEvent::Strays { count } => {
                self.output
                    .status(&format!("ignored {count} requests to the callback port"));
            }
            LoginEvent::Warning(warning) => {
                let option = warning.hint().as_ref().map(setting_options::describe);
                let option = option.map_or_else(String::new, |option| format!(" ({option})"));
                let is_status = matches!(warning, LoginWarning::UnexpectedStatus { .. });
                let doctor = self.doctor.as_ref().filter(|_| is_status);
                let doctor = doctor.map_or_else(String::new, |it| format!("\n  hint: {it}"));
                self.output
                    .status(&format!("note: {warning}{option}{doctor}"));
            }
            _ => {}
        }
    }
}

/// Asks for confirmation. Where no user can answer, `--yes` is required.
pub(crate) async fn confirm(
    command: &str,
    question: &str,
    canceled: &'static str,
    program: &Program,
) -> Result<(), CommandError> {
    if !program.environment.stdin_is_terminal() {
        let what = format!("{command} needs a confirmation");
        return Err(CommandError::usage(what).hint("`--yes` confirms it"));
    }
    program.output.ask(question);
    let answer = InputLines::new(&program.environment).line().await;
    let answer = answer.unwrap_or_default().trim().to_lowercase();
    if matches!(answer.as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(CommandError::new(canceled).code(Code::Refused))
}

/// The lines that the user types. The thread that reads them ends with the process: a read from a
/// terminal can't be broken off.
fn read_lines() -> UnboundedReceiver<String> {
    let (lines, typed) = unbounded_channel();
    thread::spawn(move || {
        let read = stdin().lines().map_while(Result::ok);
        for line in read {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    typed
}
