//! The one module that prints: data to standard output, talk to standard error.
//!
//! Everything that is printed is sanitized here: of control sequences only this program's own colours
//! remain. The caller makes a server's text one line, or indents it, [beforehand](crate::words). Only the
//! result that the user asked a server for goes into a pipe as it is.

mod pending;
mod status;
mod stderr;

use std::{
    io::{self, Write, stdout},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::{
    Layer,
    filter::{ParseError, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use hallpass::{Clock as _, SystemClock};

use self::{
    pending::Pending,
    status::{SILENT_AFTER, StatusHold, StatusLine},
    stderr::Stderr,
};
pub(crate) use crate::paint::{Paint, Tone};
use crate::{
    environment::{Environment, Stream},
    exit::CommandError,
    text,
};

/// Where the output of a command goes.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    data: Paint,
    talk: Paint,
    width: Option<usize>,
    status: StatusLine,
    stderr: Stderr,
    pending: Pending,
    notices: Arc<Mutex<Vec<Value>>>,
    /// Why something could not be written to standard output.
    write_error: Arc<Mutex<Option<io::Error>>>,
}

impl Output {
    pub(crate) fn new(json: bool, environment: &Environment) -> Self {
        let redraws = environment.redraws();
        Self {
            json,
            data: Paint::new(environment.colour(Stream::Stdout) && !json),
            talk: Paint::new(environment.colour(Stream::Stderr)),
            width: environment.width(Stream::Stdout),
            status: StatusLine::new(environment.width(Stream::Stderr).filter(|_| redraws)),
            stderr: Stderr::default(),
            pending: Pending::default(),
            notices: Arc::default(),
            write_error: Arc::default(),
        }
    }

    /// The same for a program that must go on when its standard error is not read: a thread of its own
    /// writes there, and no status line is drawn.
    pub(crate) fn with_stderr_thread(mut self) -> io::Result<Self> {
        self.stderr = Stderr::with_thread()?;
        self.status = StatusLine::new(None);
        Ok(self)
    }

    /// Waits until what was said is written to standard error, for a moment.
    pub(crate) fn flush_stderr(&self) {
        self.stderr.flush();
    }

    /// How to paint what goes to standard output.
    pub(crate) fn paint(&self) -> Paint {
        self.data
    }

    /// How to paint what goes to standard error.
    pub(crate) fn stderr_paint(&self) -> Paint {
        self.talk
    }

    /// How wide standard output is, if it is a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Whether the answer is one JSON object.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Shows on a terminal what is waited for until `work` is done.
    pub(crate) async fn while_waiting<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let _wait = self.pending.begin(what);
        self.status.during(what, work).await
    }

    /// Shows on a terminal what was [set](Self::now_waiting) to be waited for until `work` is done.
    pub(crate) async fn while_still_waiting<T>(&self, work: impl Future<Output = T>) -> T {
        let _wait = self.pending.begin(&self.status.text());
        self.status.until(work).await
    }

    /// Notes what is waited for until `work` is done, and shows nothing.
    pub(crate) async fn pending<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let _wait = self.pending.begin(what);
        work.await
    }

    /// What is waited for now, as far as it is noted.
    pub(crate) fn waits_for(&self) -> Option<String> {
        self.pending.last()
    }

    /// Waits for the answer of a server, and names the one that gives none within seconds.
    pub(crate) async fn while_silent<T>(&self, url: &str, work: impl Future<Output = T>) -> T {
        let begun = SystemClock.monotonic();
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = SystemClock.sleep(SILENT_AFTER) => {}
        }
        let what = format!("waiting for {url}");
        if self.status.is_there() {
            return self.status.instead(&what, begun, work).await;
        }
        self.status(&format!("{what} ({} s)", SILENT_AFTER.as_secs()));
        work.await
    }

    /// Whether a status line is shown already.
    pub(crate) fn shows_status(&self) -> bool {
        self.status.is_shown()
    }

    /// Changes the text of the status line.
    pub(crate) fn now_waiting(&self, what: &str) {
        self.status.set_text(what);
    }

    /// Keeps the status line away while the user is asked something.
    pub(crate) fn hold_status(&self) -> StatusHold<'_> {
        self.status.hold()
    }

    /// The output before the command line is understood: JSON if that is among its words.
    pub(crate) fn for_usage_errors(environment: &Environment) -> Self {
        Self::new(
            std::env::args_os().any(|word| word == "--json"),
            environment,
        )
    }

    /// The end of a run whose command line is not understood, or that asks for help.
    pub(crate) fn usage(&self, error: &clap::Error) -> ExitCode {
        if error.use_stderr() && self.json {
            let text = error.to_string();
            let what = text.trim().trim_start_matches("error: ").to_owned();
            return self.failed(&CommandError::usage(what));
        }
        if self.json {
            self.data(&self.envelope(true, "result", &json!({ "text": error.to_string() })));
            return match self.written() {
                Ok(()) => ExitCode::SUCCESS,
                Err(failed) => self.failed(&failed),
            };
        }
        match error.print() {
            Err(written) if !error.use_stderr() => self.note_write_error(written),
            // A closed standard error does not change the exit code.
            Ok(()) | Err(_) => {}
        }
        match self.written() {
            Ok(()) => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
            Err(failed) => self.failed(&failed),
        }
    }

    /// Sends the stack's own log to standard error: its warnings, with `-v` what it does, with `-vv`
    /// everything. What rmcp and others log about an error comes back as the error itself, so it is
    /// shown from `-vv` on. `HALLPASS_LOG` takes the targets and their levels instead.
    pub(crate) fn log_to_stderr(
        &self,
        verbose: u8,
        environment: &Environment,
    ) -> Result<(), CommandError> {
        let usual = Targets::new().with_target("hallpass", Level::WARN);
        let targets = match (environment.get("HALLPASS_LOG"), verbose) {
            (Some(asked), _) => asked.parse().map_err(|error: ParseError| {
                CommandError::usage(format!("`HALLPASS_LOG` can't be read: {error}")).hint(
                    "it is a level, or targets with a level each: `hallpass_session=debug,info`",
                )
            })?,
            (None, 0) => usual,
            (None, 1) => usual.with_target("hallpass", Level::INFO),
            (None, _) => usual
                .with_target("hallpass", Level::TRACE)
                .with_default(Level::INFO),
        };
        // A user who asked for no log reads a warning like those of the program itself.
        let is_log = verbose > 0 || environment.get("HALLPASS_LOG").is_some();
        let lead = if is_log { "" } else { "warning: " };
        let (talk, stderr) = (self.talk, self.stderr.clone());
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || Log(talk, lead, stderr.clone()))
            .with_ansi(self.talk.is_on())
            .with_level(is_log)
            .with_target(is_log)
            .without_time();
        tracing_subscriber::registry()
            .with(lines.with_filter(targets))
            .init();
        Ok(())
    }

    /// The command's result: `text` for a user, or `data` in the envelope
    /// `{"ok": true, "result": …}` for a script.
    pub(crate) fn result(&self, text: &str, data: &Value) {
        let shown = if self.json {
            self.envelope(true, "result", data)
        } else {
            self.data.sanitize(text)
        };
        self.data(&shown);
    }

    /// One line of a longer result for a user; a script gets nothing until
    /// [`result`](Self::result).
    pub(crate) fn line(&self, text: &str) {
        if !self.json {
            self.data(&self.data.sanitize(text));
        }
    }

    /// The result that the user asked a server for, as a line of a longer result: sanitized for a
    /// terminal, elsewhere as it is.
    pub(crate) fn server_text(&self, text: &str) {
        // A text that ends its last line is not given another end.
        let text = text.strip_suffix('\n').unwrap_or(text);
        if self.width.is_some() {
            self.line(&text::text(text));
        } else if !self.json {
            self.data(text);
        }
    }

    /// Advice to a user at a terminal; a pipe has no use for it.
    pub(crate) fn hint(&self, text: &str) {
        if self.width.is_some() {
            self.status(&format!("{} {text}", self.talk.tone(Tone::Advice, "hint:")));
        }
    }

    /// The result for a script, where a user has been shown it line by line.
    pub(crate) fn data_only(&self, data: &Value) {
        if self.json {
            self.data(&self.envelope(true, "result", data));
        }
    }

    /// A message on standard error.
    pub(crate) fn status(&self, text: &str) {
        self.status.clear();
        // A closed standard error does not stop the command.
        let _ = self.stderr.write(format!("{}\n", self.talk.sanitize(text)));
    }

    /// Something that changed for good, which a script is told as well, in the answer's `notices`.
    pub(crate) fn notice(&self, kind: &str, text: &str) {
        let notice = json!({ "kind": kind, "message": text });
        self.notices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(notice);
        self.status(&format!("note: {text}"));
    }

    /// A question on standard error; the answer is typed behind it.
    pub(crate) fn ask(&self, question: &str) {
        self.status.clear();
        let _ = self.stderr.write(self.talk.sanitize(question));
    }

    /// The end of a command that failed. A script gets `{"ok": false, "error": …}` besides.
    pub(crate) fn failed(&self, failed: &CommandError) -> ExitCode {
        if !failed.is_reported() {
            return failed.exit_code();
        }
        if self.json {
            self.data(&self.envelope(false, "error", &failed.to_json()));
        }
        self.status(&failed.painted(self.talk));
        self.flush_stderr();
        failed.exit_code()
    }

    fn data(&self, text: &str) {
        self.status.clear();
        let mut stdout = stdout().lock();
        let written: io::Result<()> = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        if let Err(error) = written {
            self.note_write_error(error);
        }
    }

    /// Whether everything reached standard output.
    pub(crate) fn written(&self) -> Result<(), CommandError> {
        let mut error = self
            .write_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match error.take() {
            Some(error) => {
                Err(CommandError::new("standard output can't be written").context(error))
            }
            None => Ok(()),
        }
    }

    /// Notes why standard output can't be written, for the end of the program.
    pub(crate) fn note_write_error(&self, error: io::Error) {
        // A reader that went away (`| head`) has seen what it wanted.
        if error.kind() != io::ErrorKind::BrokenPipe {
            let mut first = self
                .write_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
    }

    /// The answer for a script, with what it should know besides.
    fn envelope(&self, ok: bool, key: &str, value: &Value) -> String {
        let mut envelope = json!({ "ok": ok, key: value });
        let notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if !notices.is_empty() {
            envelope["notices"] = json!(*notices);
        }
        let json = envelope.to_string();
        if self.width.is_some() {
            text::json(&json)
        } else {
            json
        }
    }
}

/// An event of the log, whose texts of a server may be of any length.
fn shorten(event: &[u8]) -> String {
    let (shown, more) = event.split_at(event.len().min(MAX_EVENT));
    let mut text = String::from_utf8_lossy(shown).into_owned();
    if !more.is_empty() {
        text.extend(["… and ", &more.len().to_string(), " bytes more\n"]);
    }
    text
}

/// How many bytes of an event of the log are shown.
const MAX_EVENT: usize = 4096;

/// Standard error as the log sees it: each event is written at once, after these words.
struct Log(Paint, &'static str, Stderr);

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = shorten(event);
        let lines = self.0.sanitize_log(&format!("{}{text}", self.1));
        self.2.write(lines)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_event_of_the_log_is_cut() {
        assert_eq!(shorten(b"short\n"), "short\n");
        let long = shorten(&vec![b'x'; 1 << 20]);
        assert_eq!(long.len(), MAX_EVENT + "… and 1044480 bytes more\n".len());
        assert!(long.ends_with("x… and 1044480 bytes more\n"));
    }
}
