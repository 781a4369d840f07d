//! One run of the program: what was asked, what surrounds it, and what must come to an end.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass::{Clock, Hallpass, SystemClock};
use tokio::sync::watch;

use crate::{
    environment::Environment,
    exit::{Code, CommandError},
    global_options::GlobalOptions,
    output::Output,
};

/// How long the end of a run waits for refreshes that are under way: a little longer than one
/// request to an authorization server may take.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(35);

/// How long work may take to end well, once the program has to stop.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// One run.
pub(crate) struct Program {
    pub(crate) options: GlobalOptions,
    /// Whether the command may create the configuration file.
    pub(crate) may_create_config: bool,
    pub(crate) environment: Environment,
    pub(crate) output: Output,
    open: Mutex<Vec<Hallpass>>,
    has_warned_of_config: AtomicBool,
    stop: watch::Sender<Option<StopReason>>,
}

/// Why the program stops before its work is done.
#[derive(Debug, Clone, Copy)]
enum StopReason {
    Signal(&'static str, Code),
    TimeLimit(Duration),
}

impl Program {
    /// A run without a time limit of a command that does not create the configuration file.
    pub(crate) fn new(options: GlobalOptions, environment: Environment, output: Output) -> Self {
        Self {
            options,
            may_create_config: false,
            environment,
            output,
            open: Mutex::default(),
            has_warned_of_config: AtomicBool::new(false),
            stop: watch::Sender::default(),
        }
    }

    /// Waits until the program has to stop: by a signal, or because its time is up. Work that
    /// [listens](Self::stopping) is told, and gets a moment to end well; a second signal ends that
    /// too.
    pub(crate) async fn stopped(&self) -> CommandError {
        let stop = tokio::select! {
            stop = signal() => stop,
            stop = self.time_is_up() => stop,
        };
        self.stop.send_replace(Some(stop));
        if self.stop.receiver_count() > 0 {
            tokio::select! {
                () = SystemClock.sleep(GRACE_PERIOD) => {}
                _ = signal() => {}
            }
        }
        stop.into()
    }

    /// Waits until the program has to stop, for work that has something to do then.
    pub(crate) async fn stopping(&self) -> CommandError {
        let mut stop = self.stop.subscribe();
        let told = stop.wait_for(Option::is_some).await;
        match told.ok().and_then(|stop| *stop) {
            Some(stop) => stop.into(),
            None => std::future::pending().await,
        }
    }

    async fn time_is_up(&self) -> StopReason {
        match self.options.timeout {
            Some(limit) => {
                SystemClock.sleep(limit).await;
                StopReason::TimeLimit(limit)
            }
            None => std::future::pending().await,
        }
    }

    /// Prints what is wrong in the configuration file, once: it is read more than once.
    pub(crate) fn warn_of_config<'a>(&self, warnings: impl Iterator<Item = &'a str>) {
        if !self.has_warned_of_config.swap(true, Ordering::Relaxed) {
            for warning in warnings {
                self.output.status(&format!("warning: {warning}"));
            }
        }
    }

    /// Notes a session that [`close`](Self::close) brings to an end.
    pub(crate) fn opened(&self, hallpass: &Hallpass) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(hallpass.clone());
    }

    /// Waits until no refresh is under way any more: one that was cut off between the server's
    /// answer and our save would lose the rotated token.
    pub(crate) async fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for hallpass in open {
            if let Err(error) = hallpass.close(CLOSE_TIMEOUT).await {
                self.output
                    .status(&format!("a refreshed token may be lost: {error}"));
            }
        }
    }
}

impl From<StopReason> for CommandError {
    fn from(stop: StopReason) -> Self {
        match stop {
            StopReason::Signal(name, code) => Self::new(format!("stopped by {name}")).code(code),
            StopReason::TimeLimit(limit) => {
                Self::new(format!("timed out after {} s", limit.as_secs_f64()))
                    .code(Code::TimedOut)
                    .hint("`--timeout` sets the time limit")
            }
        }
    }
}

/// Waits for a signal that asks the program to stop.
#[cfg(unix)]
async fn signal() -> StopReason {
    use tokio::signal::unix::{SignalKind, signal};

    let of_kind = async |kind| match signal(kind) {
        Ok(mut signals) => _ = signals.recv().await,
        // Without a handler the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = of_kind(SignalKind::interrupt()) => StopReason::Signal("an interrupt", Code::Interrupted),
        () = of_kind(SignalKind::terminate()) => StopReason::Signal("a request to terminate", Code::Terminated),
        () = of_kind(SignalKind::hangup()) => StopReason::Signal("a hangup", Code::Terminated),
    }
}

#[cfg(windows)]
async fn signal() -> StopReason {
    use tokio::signal::windows;

    let interrupt = async {
        match windows::ctrl_c() {
            Ok(mut signals) => _ = signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    let close = async {
        match windows::ctrl_close() {
            Ok(mut signals) => _ = signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt => StopReason::Signal("an interrupt", Code::Interrupted),
        () = close => StopReason::Signal("the end of its console", Code::Terminated),
    }
}
