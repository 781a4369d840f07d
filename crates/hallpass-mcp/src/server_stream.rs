//! The server's own stream comes before the calls.
//!
//! During a call a server may send requests to the host (`elicitation/create`,
//! `sampling/createMessage`, `roots/list`). Many send them on the stream that a GET opens, not on the
//! one that answers the call. While that stream is not open, the requests are lost, and the call hangs
//! until the server gives up. MCP does not say which of the two the client sends first, so the order is
//! made here.

use std::time::Duration;

use hallpass_core::Clock;
use tokio::sync::watch;

/// How long a call waits for the server's answer to the GET. Some servers have none before there is
/// something to say.
const GET_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the server's own stream is about to be opened. Clones are of the same
/// stream.
#[derive(Debug, Clone)]
pub struct ServerStream {
    is_due: watch::Sender<bool>,
}

impl ServerStream {
    /// A stream that is not about to be opened: no call waits for it.
    pub fn new() -> Self {
        Self {
            is_due: watch::Sender::new(false),
        }
    }

    /// The GET is the next thing to be sent.
    pub fn due(&self) {
        self.is_due.send_replace(true);
    }

    /// The GET has been answered, with a stream or without one.
    pub fn settled(&self) {
        self.is_due.send_replace(false);
    }

    /// Ends when a request with this method may be sent: at once, unless the GET is under way and has
    /// no answer yet, and then after two seconds at the latest.
    ///
    /// Lists and pings never wait: a server sends no request during those, and a slow stream must
    /// not delay the start of a host.
    pub async fn before(&self, method: &str, clock: &dyn Clock) {
        if !*self.is_due.borrow() || method == "ping" || method.ends_with("/list") {
            return;
        }
        let mut is_due = self.is_due.subscribe();
        tokio::select! {
            biased;
            // The sender lives in `self`, so the channel can't close while this waits.
            _ = is_due.wait_for(|is_due| !is_due) => {}
            () = clock.sleep(GET_TIMEOUT) => {
                tracing::debug!("the server has not answered the GET; calls don't wait any longer");
                self.settled();
            }
        }
    }
}

impl Default for ServerStream {
    fn default() -> Self {
        Self::new()
    }
}
