//! One run of the program: what was asked, what surrounds it, and what must come to an end.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hallpass::Hallpass;

use crate::{
    arguments::Arguments,
    environment::Environment,
    exit::{Code, Failed},
    output::Output,
};

/// How long the end of a run waits for refreshes that are under way: a little longer than one
/// request to an authorization server may take.
const CLOSING: Duration = Duration::from_secs(35);

/// One run.
pub(crate) struct Program {
    pub(crate) arguments: Arguments,
    pub(crate) environment: Environment,
    pub(crate) output: Output,
    open: Mutex<Vec<Hallpass>>,
}

impl Program {
    pub(crate) fn new(arguments: Arguments, environment: Environment, output: Output) -> Self {
        Self {
            arguments,
            environment,
            output,
            open: Mutex::default(),
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
            if tokio::time::timeout(CLOSING, hallpass.close())
                .await
                .is_err()
            {
                self.output.say("a refresh did not come to its end");
            }
        }
    }
}

/// Waits for a signal that asks the program to stop.
pub(crate) async fn stopped() -> Failed {
    let (name, code) = signal().await;
    Failed::new(format!("stopped by {name}")).code(code)
}

#[cfg(unix)]
async fn signal() -> (&'static str, Code) {
    use tokio::signal::unix::{SignalKind, signal};

    let of_kind = async |kind| match signal(kind) {
        Ok(mut signals) => _ = signals.recv().await,
        // Without a handler the signal ends the process by itself.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = of_kind(SignalKind::interrupt()) => ("an interrupt", Code::Interrupted),
        () = of_kind(SignalKind::terminate()) => ("a request to terminate", Code::Terminated),
        () = of_kind(SignalKind::hangup()) => ("a hangup", Code::Terminated),
    }
}

#[cfg(not(unix))]
async fn signal() -> (&'static str, Code) {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    ("an interrupt", Code::Interrupted)
}
