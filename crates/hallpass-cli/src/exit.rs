//! How the program ends: an error in words, and one of the documented exit codes.

use std::{error::Error, fmt, process::ExitCode};

use hallpass::{
    ClientError, Diagnostic, Hint, Remedy, SessionError, TransportError,
    http::HttpError,
    login::{AuthorizeError, LoginError, LoginErrorKind},
    mcp::UnexpectedStatus,
    session::{TokenError, TokenErrorClass},
    store::{KeyError, KeyErrorKind, StoreError, StoreErrorKind},
    text::ServerWords,
};
use hallpass_doctor::{Code as FindingCode, Finding};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    paint::{Paint, Tone},
    setting_options, text,
};

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Anything that has no code of its own.
    Other,
    /// The command line or a setting has to change.
    Usage,
    /// A sign-in is required.
    SignInRequired,
    /// The server or the user said no.
    Refused,
    /// The network, or another passing fault: trying again may help.
    Network,
    /// The time that `--timeout` allows was not enough.
    TimedOut,
    /// The command of `exec` can't be run, as shells count it.
    NotExecutable,
    /// The command of `exec` is not there, as shells count it.
    CommandNotFound,
    /// What the command of `exec` ended with, where it could not take this program's place.
    #[cfg_attr(unix, expect(dead_code, reason = "there the command takes its place"))]
    Ended(u8),
    /// Stopped by an interrupt, as shells count it.
    Interrupted,
    /// Stopped by a request to terminate, as shells count it.
    Terminated,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::Other => "error",
            Self::Usage => "usage",
            Self::SignInRequired => "sign-in-required",
            Self::Refused => "refused",
            Self::Network => "network",
            Self::TimedOut => "timed-out",
            Self::NotExecutable => "not-executable",
            Self::CommandNotFound => "command-not-found",
            Self::Ended(_) => "ended",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// What the process ends with.
    fn number(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::SignInRequired => 3,
            Self::Refused => 4,
            // Both pass, and trying again may help.
            Self::Network | Self::TimedOut => 5,
            Self::NotExecutable => 126,
            Self::CommandNotFound => 127,
            Self::Ended(code) => code,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The code where nothing but the remedy is known.
    fn from_remedy(remedy: Remedy) -> Self {
        match remedy {
            Remedy::SignIn => Self::SignInRequired,
            Remedy::Retry => Self::Network,
            Remedy::Configure => Self::Usage,
            Remedy::Report => Self::Other,
        }
    }

    /// The code of what a diagnosis found: the one that the commands end with that fail by it.
    pub(crate) fn of_finding(finding: &Finding) -> Self {
        match finding.code {
            FindingCode::Forbidden
            | FindingCode::FreshTokenRefused
            | FindingCode::AuthorizationRefused => Self::Refused,
            // The server refuses what the user gave, or no sign-in with the same settings helps.
            _ if finding.hints.contains(&Hint::LeaveOutTokenSource) => Self::Refused,
            FindingCode::InsufficientScope if finding.remedy != Remedy::SignIn => Self::Refused,
            FindingCode::ProxyUnreachable => Self::Network,
            FindingCode::StoreDamaged | FindingCode::StoreNewer => Self::Other,
            FindingCode::StoreUnreadable if finding.remedy != Remedy::Retry => Self::Other,
            _ => Self::from_remedy(finding.remedy),
        }
    }

    /// The code of a known cause, whatever lies around it.
    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = cause.downcast_ref::<AuthorizeError>() {
            // It shows the login's error as its own, so that one is not in the chain.
            let login = error.get_ref().downcast_ref()?;
            return is_refused(login).then_some(Self::Refused);
        }
        if let Some(SessionError::Terminated(_)) = cause.downcast_ref() {
            return Some(Self::Refused);
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            // The same of the transport's error.
            return match error.transport_error()? {
                TransportError::TooManyChallenges(_)
                | TransportError::Session(SessionError::Terminated(_)) => Some(Self::Refused),
                TransportError::UnexpectedStatus(answer) => Self::of_status(answer.status()),
                _ => None,
            };
        }
        if let Some(answer) = cause.downcast_ref::<UnexpectedStatus>() {
            return Self::of_status(answer.status());
        }
        match cause.downcast_ref::<StoreError>()?.kind() {
            // Who owns a folder and who can reach it is a setting of the user, as is where the key is.
            StoreErrorKind::Refused | StoreErrorKind::Key => Some(Self::Usage),
            // What is wrong with a file or a disk no setting changes.
            StoreErrorKind::Damaged | StoreErrorKind::Newer | StoreErrorKind::Io => {
                Some(Self::Other)
            }
            _ => None,
        }
    }

    /// The code of a status of the MCP server that is no answer, where it is not that of its remedy.
    fn of_status(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::FORBIDDEN => Some(Self::Refused),
            _ => None,
        }
    }
}

/// Whether the user or the authorization server refused a login. A server that redirects refuses nothing,
/// and one that does not accept how the client authenticates wants another setting.
fn is_refused(login: &LoginError) -> bool {
    let source = login.source();
    let refused = match login.kind() {
        LoginErrorKind::Denied | LoginErrorKind::Callback => true,
        LoginErrorKind::Registration => source.is_some(),
        LoginErrorKind::Exchange => {
            let answer = source.and_then(<dyn Error>::downcast_ref::<TokenError>);
            answer.is_some_and(|answer| {
                let code = answer.code().filter(|code| *code != "invalid_client");
                answer.class() == TokenErrorClass::Refused && code.is_some()
            })
        }
        _ => false,
    };
    refused && login.remedy() != Remedy::Retry
}

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) struct CommandError {
    code: Code,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<Hint>,
    data: Option<Value>,
}

impl CommandError {
    /// A failure without a code of its own.
    pub(crate) fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            code: Code::Other,
            source: source.into(),
            hints: Vec::new(),
            data: None,
        }
    }

    /// The end of the command of `exec`, which has said itself what there is to say.
    #[cfg(not(unix))]
    pub(crate) fn of_command(code: i32) -> Self {
        let code = Code::Ended(u8::try_from(code).unwrap_or(1));
        Self::new("the command failed").code(code)
    }

    /// Whether there is something to say about it.
    pub(crate) fn is_reported(&self) -> bool {
        !matches!(self.code, Code::Ended(_))
    }

    /// A command line or a setting that is not valid.
    pub(crate) fn usage(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(source).code(Code::Usage)
    }

    /// Adds its cause.
    pub(crate) fn context(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.source = Box::new(WithCause {
            what: self.source,
            cause: Box::new(cause),
        });
        self
    }

    /// The same failure as the cause of `what`, such as the first of several, which that counts.
    pub(crate) fn with_count(self, what: String) -> Self {
        let context = WithCause {
            what: what.into(),
            cause: self.source,
        };
        Self {
            source: Box::new(context),
            ..self
        }
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code
    }

    pub(crate) fn has_hints(&self) -> bool {
        !self.hints.is_empty()
    }

    pub(crate) fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Adds advice. Settings that the libraries name are shown as the options that set them.
    pub(crate) fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds advice that may be there already.
    pub(crate) fn hint_once(self, hint: impl Into<Hint>) -> Self {
        let hint = hint.into();
        if self.hints.contains(&hint) {
            return self;
        }
        self.hint(hint)
    }

    /// Takes a piece of advice away.
    pub(crate) fn without_hint(mut self, hint: &Hint) -> Self {
        self.hints.retain(|it| it != hint);
        self
    }

    /// Says each hint otherwise.
    pub(crate) fn map_hints(mut self, change: impl FnMut(Hint) -> Hint) -> Self {
        self.hints = self.hints.into_iter().map(change).collect();
        self
    }

    /// Adds the result as far as there is one, for a script.
    pub(crate) fn data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The code for an error of the stack: what a known cause in its chain stands for, else its
    /// remedy.
    pub(crate) fn with_remedy(
        source: impl Into<Box<dyn Error + Send + Sync>>,
        remedy: Remedy,
    ) -> Self {
        let failed = Self::new(source);
        let known = failed.chain().find_map(Code::of_cause);
        let code = known.unwrap_or_else(|| Code::from_remedy(remedy));
        failed.code(code)
    }

    /// Adds what is left to do when what is found in the key's place is no key. (One that is not there
    /// needs no action: its records become unreadable.)
    fn hint_store_reset(self) -> Self {
        let unusable = |cause: &(dyn Error + 'static)| {
            let key = cause.downcast_ref::<KeyError>();
            key.is_some_and(|key| key.kind() == KeyErrorKind::Unusable)
        };
        if self.chain().any(unusable) {
            return self.hint_once(Hint::ResetStore);
        }
        self
    }

    /// How far the login came that failed, if it is one.
    pub(crate) fn login_error_kind(&self) -> Option<LoginErrorKind> {
        self.chain().find_map(|cause| {
            let error = cause.downcast_ref::<AuthorizeError>()?;
            Some(error.get_ref().downcast_ref::<LoginError>()?.kind())
        })
    }

    /// The status and the error code with which the token endpoint refused the client of a login, if that is
    /// why it failed (RFC 6749 §5.2).
    pub(crate) fn refusal_of_client(&self) -> Option<(u16, Option<String>)> {
        let login = self.chain().find_map(|cause| {
            let error = cause.downcast_ref::<AuthorizeError>()?;
            error.get_ref().downcast_ref::<LoginError>()
        })?;
        let answer = login.source()?.downcast_ref::<TokenError>()?;
        let is_it = login.kind() == LoginErrorKind::Exchange
            && match answer.code() {
                Some(code) => code == "invalid_client",
                None => answer.status() == StatusCode::UNAUTHORIZED,
            };
        is_it.then(|| (answer.status().as_u16(), answer.code().map(str::to_owned)))
    }

    /// The error and its causes, outermost first.
    fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let mut next: Option<&(dyn Error + 'static)> = Some(&*self.source);
        std::iter::from_fn(move || {
            let current = next?;
            next = current.source();
            Some(current)
        })
    }

    /// What, because, what the server says, hint: one line each.
    pub(crate) fn painted(&self, paint: Paint) -> String {
        let mut lines = Vec::new();
        for (depth, cause) in self.chain().enumerate() {
            if let Some(words) = cause.downcast_ref::<ServerWords>() {
                lines.push(format!("  {}", text::line(&words.to_string())));
                continue;
            }
            let (lead, tone) = match depth {
                0 => ("error:", Tone::Bad),
                _ => ("  because:", Tone::Quiet),
            };
            let cause = text::marked(&cause.to_string());
            lines.push(format!("{} {cause}", paint.tone(tone, lead)));
        }
        for hint in &self.hints {
            let hint = text::marked(&setting_options::describe(hint));
            lines.push(format!("{} {hint}", paint.tone(Tone::Advice, "  hint:")));
        }
        lines.join("\n")
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> Remedy {
        match self.code {
            Code::SignInRequired => Remedy::SignIn,
            Code::Network => Remedy::Retry,
            Code::Usage => Remedy::Configure,
            _ => Remedy::Report,
        }
    }

    /// Advice for a user.
    pub(crate) fn hints(&self) -> &[Hint] {
        &self.hints
    }

    /// The error itself.
    pub(crate) fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.source
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code.number())
    }

    /// The same for [`std::process::exit`].
    pub(crate) fn exit_number(&self) -> i32 {
        self.code.number().into()
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut texts = self.chain().map(ToString::to_string);
        json!({
            "code": self.code.name(),
            "exit_code": self.code.number(),
            "message": texts.next(),
            "causes": texts.collect::<Vec<_>>(),
            "hints": self.hints.iter().map(setting_options::describe).collect::<Vec<_>>(),
            "data": self.data,
        })
    }
}

/// What went wrong, and something else that is its cause.
#[derive(Debug)]
struct WithCause {
    what: Box<dyn Error + Send + Sync>,
    cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for WithCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.what, f)
    }
}

impl Error for WithCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.painted(Paint::PLAIN))
    }
}

macro_rules! from_error_with_remedy {
    ($($error:ty),*) => {$(
        impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                let (remedy, hints) = (error.remedy(), Diagnostic::hints(&error));
                let failed = Self::with_remedy(error, remedy);
                hints.into_iter().fold(failed, Self::hint).hint_store_reset()
            }
        }
    )*};
}

from_error_with_remedy!(
    hallpass::SessionError,
    hallpass::Error,
    hallpass::store::StoreError
);

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

impl From<HttpError> for CommandError {
    fn from(error: HttpError) -> Self {
        let remedy = error.remedy();
        Self::with_remedy(error, remedy)
    }
}
