//! One run of the program: what was asked, what surrounds it, and what must come to an end.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass::{Clock, Hallpass, SystemClock};
use tokio::{runtime::Runtime, sync::watch};

use crate::{
    environment::Environment,
    exit::{Code, CommandError},
    global_options::GlobalOptions,
    output::Output,
};

/// How long the end of a run waits while a refresh token is at the authorization server, or its answer
/// is not saved yet: as long as one request may take.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long that wait is silent.
const SILENT_CLOSE: Duration = Duration::from_millis(300);

/// How long work may take to end well, once the program has to stop.
const GRACE_PERIOD: Duration = Duration::from_millis(700);

/// How soon the main task notices that it has to stop, unless something blocks it.
const NOTICE_TIMEOUT: Duration = Duration::from_millis(500);

/// One run.
pub(crate) struct Program {
    pub(crate) options: GlobalOptions,
    /// Whether the command may create the configuration file.
    pub(crate) may_create_config: bool,
    /// Whether a silent server is named: not where standard error is a host's log.
    pub(crate) names_waits: bool,
    pub(crate) environment: Environment,
    pub(crate) output: Output,
    open: Mutex<Vec<Hallpass>>,
    has_warned_of_config: AtomicBool,
    stop: watch::Sender<Option<StopReason>>,
    /// Whether the main task knows that it has to stop.
    has_noticed_stop: Arc<AtomicBool>,
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
            names_waits: true,
            environment,
            output,
            open: Mutex::default(),
            has_warned_of_config: AtomicBool::new(false),
            stop: watch::Sender::default(),
            has_noticed_stop: Arc::default(),
        }
    }

    /// Ends the process when it has to stop and the main task does not notice: a read blocks it that never
    /// returns, such as that of a named pipe. No refresh is under way then, since those are tasks.
    #[expect(
        clippy::disallowed_methods,
        reason = "main can't return while its thread is blocked"
    )]
    pub(crate) fn watch_blocked_main_task(&self, runtime: &Runtime) {
        let (output, timeout) = (self.output.clone(), self.options.timeout);
        let has_noticed_stop = Arc::clone(&self.has_noticed_stop);
        runtime.spawn(async move {
            let stop = stop_reason(timeout).await;
            SystemClock.sleep(NOTICE_TIMEOUT).await;
            if !has_noticed_stop.load(Ordering::SeqCst) {
                let failed = stop.error(&output);
                output.failed(&failed);
                std::process::exit(failed.exit_number());
            }
        });
    }

    /// Waits until the program has to stop: by a signal, or because its time is up. Work that
    /// [listens](Self::stopping) is told, and gets a moment to end well; a second signal ends that
    /// too.
    pub(crate) async fn stopped(&self) -> CommandError {
        let stop = stop_reason(self.options.timeout).await;
        let failed = stop.error(&self.output);
        self.has_noticed_stop.store(true, Ordering::SeqCst);
        self.stop.send_replace(Some(stop));
        if self.stop.receiver_count() > 0 {
            tokio::select! {
                () = SystemClock.sleep(GRACE_PERIOD) => {}
                _ = signal() => {}
            }
        }
        failed
    }

    /// Waits until the program has to stop, for work that has something to do then.
    pub(crate) async fn stopping(&self) -> CommandError {
        let mut stop = self.stop.subscribe();
        let told = stop.wait_for(Option::is_some).await;
        match told.ok().and_then(|stop| *stop) {
            Some(stop) => stop.error(&self.output),
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

    /// Closes the sessions. It waits, and says so, while a refresh token is at the authorization server
    /// or its answer is not saved yet: a refresh that is cut off there loses the new token. A signal ends
    /// the wait; the record then says that the outcome is unknown.
    pub(crate) async fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        let close = async {
            for hallpass in &open {
                if let Err(error) = hallpass.close(CLOSE_TIMEOUT).await {
                    self.output
                        .status(&format!("a refreshed token may be lost: {error}"));
                }
            }
        };
        let mut close = std::pin::pin!(close);
        tokio::select! {
            () = &mut close => return,
            () = SystemClock.sleep(SILENT_CLOSE) => {}
        }
        self.output.status(&format!(
            "a refresh is not finished; waiting for it, {} s at most; Ctrl-C stops waiting",
            CLOSE_TIMEOUT.as_secs()
        ));
        tokio::select! {
            () = close => {}
            _ = signal() => {}
        }
    }
}

impl StopReason {
    /// The end of a command for this reason. Where the time is over, it names what is waited for.
    fn error(self, output: &Output) -> CommandError {
        match self {
            Self::Signal(name, code) => CommandError::new(format!("stopped by {name}")).code(code),
            Self::TimeLimit(limit) => {
                let what = format!("timed out after {} s", limit.as_secs_f64());
                let failed = match output.waits_for() {
                    Some(wait) => {
                        CommandError::new(format!("not finished: {wait}")).with_count(what)
                    }
                    None => CommandError::new(what),
                };
                failed
                    .code(Code::TimedOut)
                    .hint("`--timeout` sets the time limit")
            }
        }
    }
}

/// Waits for a signal, or until the time is up.
async fn stop_reason(timeout: Option<Duration>) -> StopReason {
    let time_is_up = async {
        match timeout {
            Some(limit) => {
                SystemClock.sleep(limit).await;
                StopReason::TimeLimit(limit)
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        stop = signal() => stop,
        stop = time_is_up => stop,
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
