//! The proxy: a server, and what goes between it and one host.

use std::{fmt, future::Future, io, pin::pin, sync::Arc, time::Duration};

use hallpass_core::{Clock, Hint};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    MAX_MESSAGE_BYTES, ProxyError, Server,
    capability_cache::{CapabilityCache, NoCache},
    host::Host,
    line_reader::LineReader,
    outbox::outbox,
    request_error::HintText,
    shared::Shared,
};

/// How long the end of a proxy waits for what remains to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// An MCP stdio server in front of a remote one.
pub struct Proxy {
    server: Arc<dyn Server>,
    clock: Arc<dyn Clock>,
    cache: Arc<dyn CapabilityCache>,
    sign_in_hint: String,
    hint_text: Arc<HintText>,
    is_interactive: bool,
}

impl Proxy {
    /// A proxy for `server`. Whether it may sign a user in is for its session's authorizer to say.
    pub fn new(server: Arc<dyn Server>, clock: Arc<dyn Clock>) -> Self {
        Self {
            server,
            clock,
            cache: Arc::new(NoCache),
            sign_in_hint: "sign in to the server".to_owned(),
            hint_text: Arc::new(ToString::to_string),
            is_interactive: false,
        }
    }

    /// What the user is told to do where a sign-in is missing.
    #[must_use]
    pub fn sign_in_hint(mut self, hint: impl Into<String>) -> Self {
        self.sign_in_hint = hint.into();
        self
    }

    /// How advice is worded to the user, for a program that has an option for each setting.
    #[must_use]
    pub fn hint_text(mut self, words: impl Fn(&Hint) -> String + Send + Sync + 'static) -> Self {
        self.hint_text = Arc::new(words);
        self
    }

    /// Where it keeps what the server said about itself.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<dyn CapabilityCache>) -> Self {
        self.cache = cache;
        self
    }

    /// The session's authorizer asks the user, which takes time.
    #[must_use]
    pub fn interactive(mut self) -> Self {
        self.is_interactive = true;
        self
    }

    /// Serves the host on `input` and `output` until it ends its side. What is under way then has a
    /// little time to be answered.
    ///
    /// # Errors
    ///
    /// When the host can't be read from or written to. A host that reads no more has gone, which is
    /// no error.
    pub async fn serve(
        self,
        input: impl AsyncRead + Send + Unpin,
        output: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), ProxyError> {
        self.serve_until(input, output, std::future::pending())
            .await
    }

    /// As [`serve`](Self::serve), and no longer than until `stop` ends. Then two things are
    /// waited for, two seconds each at most: that the server hears of the end of its session, and that
    /// what was answered is written out.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    pub async fn serve_until(
        self,
        input: impl AsyncRead + Send + Unpin,
        output: impl AsyncWrite + Send + Unpin + 'static,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ProxyError> {
        let (outbox, lines) = outbox();
        let shared = Arc::new(Shared::new(
            self.server,
            self.clock,
            self.cache,
            self.sign_in_hint,
            self.hint_text,
            self.is_interactive,
            outbox,
        ));
        let _closing = shared.closing.clone().drop_guard();
        let mut writer = tokio::spawn(lines.write_to(output));
        let mut host = Host::new(Arc::clone(&shared));
        let mut stop = pin!(stop);
        let read = tokio::select! {
            read = host.serve(LineReader::new(input, MAX_MESSAGE_BYTES)) => Some(read),
            () = &mut stop => None,
            written = &mut writer => {
                // The host reads no answers any more.
                host.close().await;
                return gone(written);
            }
        };
        if read.is_some() {
            tokio::select! {
                () = host.answered() => {}
                () = stop => {}
            }
        }
        host.close().await;
        let clock = Arc::clone(&shared.clock);
        shared.closing.cancel();
        drop((host, shared));
        tokio::select! {
            written = &mut writer => gone(written)?,
            () = clock.sleep(FLUSH_TIMEOUT) => writer.abort(),
        }
        read.unwrap_or(Ok(()))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// How writing to the host ended.
fn gone(written: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), ProxyError> {
    match written {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ProxyError::Write(error))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(ProxyError::Write(io::Error::other(error))),
    }
}
