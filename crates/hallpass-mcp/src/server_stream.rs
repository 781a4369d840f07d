//! The server's own stream comes before the calls.
//!
//! In the course of a call a server may ask the host something (`elicitation/create`,
//! `sampling/createMessage`, `roots/list`), and many ask on the stream that a GET opens, not on the
//! one that answers the call. While that is not open, what they ask is lost: the call hangs until the
//! server gives up. Nothing in MCP says which of the two the client sends first, so the order is made
//! here.

use std::time::Duration;

use hallpass_core::Clock;
use tokio::sync::watch;

/// How long a call waits for the server's answer to the GET. Some servers have none before there is
/// something to say.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the stream of what a server says unasked is about to be opened. Clones are of the same
/// stream.
#[derive(Debug, Clone)]
pub struct ServerStream {
    is_due: watch::Sender<bool>,
}

impl ServerStream {
    /// A stream that nobody is about to open: no call waits for it.
    pub fn new() -> Self {
        Self {
            is_due: watch::Sender::new(false),
        }
    }

    /// The GET is the next thing to be sent.
    pub fn due(&self) {
        self.is_due.send_replace(true);
    }

    /// The GET has come to something: a stream, or none.
    pub fn answered(&self) {
        self.is_due.send_replace(false);
    }

    /// Ends when a request with this method may be sent: at once, unless the GET is under way and has
    /// no answer yet, and then after two seconds at the latest.
    ///
    /// Lists and pings never wait. In their course nobody is asked anything, and a host that starts
    /// has nothing to do with a server that is slow with its stream.
    pub async fn before(&self, method: &str, clock: &dyn Clock) {
        if !*self.is_due.borrow() || method == "ping" || method.ends_with("/list") {
            return;
        }
        let mut is_due = self.is_due.subscribe();
        tokio::select! {
            biased;
            // The sender lives in `self`, so the channel can't close while this waits.
            _ = is_due.wait_for(|is_due| !is_due) => {}
            () = clock.sleep(PATIENCE) => {
                tracing::debug!("the server has not answered the GET; calls don't wait any longer");
                self.answered();
            }
        }
    }
}

impl Default for ServerStream {
    fn default() -> Self {
        Self::new()
    }
}
