//! Opening the server: the first time, after its session was lost, and when it can be asked again.
//!
//! One attempt runs at a time. The host's `initialize` goes to the server as it is, whenever that can
//! be asked; if the answer is late the host has one from here, and is told afterwards that the lists
//! have changed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hallpass_core::Remedy;
use hallpass_mcp::{
    Interactivity, Response, SseConnection, SseError, TransportKind,
    jsonrpc::{Id, Kind, Message},
};

use crate::{
    answer::about,
    answer_budget::Permits,
    connection::{Connection, ConnectionState, Handshake},
    listening::{self, ListenEnd, SESSION_ENDED},
    placeholder::{self, ListKind},
    request_error::ProxyRequestError,
    routing,
    shared::Shared,
};

/// How long the host waits for the answer to its `initialize`. With what else it takes it stays well
/// below 200 ms.
const INITIALIZE_TIMEOUT: Duration = Duration::from_millis(120);

/// How long it waits for an answer that there is no substitute for.
const DISCOVER_TIMEOUT: Duration = Duration::from_secs(8);

/// How long one attempt may take. Where it asks the user, the sign-in has its own limit.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
const INTERACTIVE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3600);

/// How large the server's answer to the opening may be.
const MAX_OPENING_ANSWER_BYTES: usize = 1024 * 1024;

/// What fails is not tried again for this long, however many calls want it.
const MIN_ATTEMPT_INTERVAL: Duration = Duration::from_millis(250);

impl Shared {
    /// Begins with the host's opening, and returns its generation. What comes after it waits for
    /// its result.
    pub(crate) fn begin_opening(self: &Arc<Self>, message: &Message) -> u64 {
        let mut handshake = self.handshake();
        if let Some(replaced) = self.up() {
            let shared = Arc::clone(self);
            self.spawn(async move { shared.end_session(&replaced).await });
        }
        let generation = handshake.generation + 1;
        *handshake = Handshake {
            opening: Some(message.clone()),
            wants_answer: true,
            generation,
            connections: handshake.connections,
            recovering: handshake.recovering,
            renewals: std::mem::take(&mut handshake.renewals),
            ..Handshake::default()
        };
        self.start(message.clone(), generation);
        generation
    }

    /// Answers the host's opening of this generation: with the server's answer if that comes soon.
    pub(crate) async fn open(self: &Arc<Self>, message: Message, generation: u64) {
        let Some((id, method)) = message.single().and_then(|part| match &part.kind {
            Kind::Request { id, method } => Some((id.clone(), method.clone())),
            _ => None,
        }) else {
            return;
        };
        let remembered = self.cache.load(&key_of(&message, &method));
        let has_substitute = method == "initialize" || remembered.is_some();
        let limit = if has_substitute {
            INITIALIZE_TIMEOUT
        } else {
            DISCOVER_TIMEOUT
        };
        let outcome = self.within(limit, self.outcome(Some(generation))).await;
        let error = match outcome {
            Some(Ok(_)) => return self.pass_answer(&message, &id, generation).await,
            Some(Err(error)) => error,
            None => ProxyRequestError::new(Remedy::Retry, "the server has not answered yet"),
        };
        if let Some(answer) = error.own_answer() {
            self.close(generation);
            // An error is kept up to 64 KiB.
            self.deliver(answer, Permits::default()).await;
            return;
        }
        if !has_substitute {
            // An older server may still be opened by `initialize`, which the host tries next.
            self.close(generation);
            return self.fail(&message, &self.advised(error)).await;
        }
        let words = self.advised(error).describe();
        let asked = asked_version(&message);
        let result = placeholder::opening(&method, asked.as_deref(), remembered.as_deref(), &words);
        let just_now = {
            let mut handshake = self.handshake();
            let is_up = handshake.generation != generation || self.up().is_some();
            if !is_up {
                handshake.promise(&result);
            }
            is_up
        };
        if just_now {
            return self.pass_answer(&message, &id, generation).await;
        }
        self.respond(&id, &result).await;
        self.recover();
    }

    /// Answers the host's opening of this generation with the server's answer.
    async fn pass_answer(&self, message: &Message, id: &Id, generation: u64) {
        let answer = {
            let mut handshake = self.handshake();
            let is_current = handshake.generation == generation;
            is_current.then(|| handshake.take_answer())
        };
        match answer {
            Some(Some(answer)) => {
                // It is small enough.
                self.deliver(&answer, Permits::default()).await;
            }
            Some(None) => self.respond(id, b"{}").await,
            None => self.fail(message, &superseded()).await,
        }
    }

    /// Forgets the opening of this generation, which failed, unless there is another by now.
    fn close(&self, generation: u64) {
        let mut handshake = self.handshake();
        if handshake.generation == generation {
            handshake.opening = None;
            handshake.answer = None;
            handshake.generation += 1;
            self.state.send_replace(ConnectionState::Unopened);
        }
    }

    /// A connection, once there is one: the present one, or what comes of an attempt.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, ProxyRequestError> {
        {
            let mut handshake = self.handshake();
            let state = self.state.borrow().clone();
            match state {
                ConnectionState::Up(connection) => return Ok(connection),
                ConnectionState::Unopened => return Ok(Arc::default()),
                ConnectionState::Opening => {}
                ConnectionState::Down(error) => {
                    let since = self
                        .clock
                        .monotonic()
                        .saturating_sub(handshake.last_attempt);
                    if since < MIN_ATTEMPT_INTERVAL {
                        return Err(error);
                    }
                    self.begin(&mut handshake);
                }
            }
        }
        self.outcome(None).await
    }

    /// A connection, once there is one, however long that takes. It begins no attempt:
    /// [`recover`](Self::recover) does, less and less often.
    pub(crate) async fn opened(&self) -> Arc<Connection> {
        let mut states = self.state.subscribe();
        loop {
            match &*states.borrow_and_update() {
                ConnectionState::Up(connection) => return Arc::clone(connection),
                ConnectionState::Unopened => return Arc::default(),
                ConnectionState::Opening | ConnectionState::Down(_) => {}
            }
            if states.changed().await.is_err() {
                return Arc::default();
            }
        }
    }

    /// Another connection than the one with this number, whose session the server knows no more.
    pub(crate) async fn reopen(
        self: &Arc<Self>,
        number: u64,
    ) -> Result<Arc<Connection>, ProxyRequestError> {
        {
            let mut handshake = self.handshake();
            if self.up().is_some_and(|up| up.number == number) {
                tracing::info!("the server has ended the session; it is opened again");
                self.begin(&mut handshake);
                let shared = Arc::clone(self);
                self.spawn(async move { shared.fail_accepted(number, SESSION_ENDED).await });
            }
        }
        self.connection().await
    }

    /// The connection there is.
    pub(crate) fn up(&self) -> Option<Arc<Connection>> {
        match &*self.state.borrow() {
            ConnectionState::Up(connection) => Some(Arc::clone(connection)),
            ConnectionState::Unopened | ConnectionState::Opening | ConnectionState::Down(_) => None,
        }
    }

    /// Whether `connection` is the present one.
    pub(crate) fn is_current(&self, connection: &Connection) -> bool {
        self.up().is_some_and(|up| up.number == connection.number)
    }

    /// The result of the attempt that runs; of the opening of this generation alone, if one is given.
    async fn outcome(&self, generation: Option<u64>) -> Result<Arc<Connection>, ProxyRequestError> {
        let mut states = self.state.subscribe();
        loop {
            let state = states.borrow_and_update().clone();
            if generation.is_some_and(|it| self.handshake().generation != it) {
                return Err(superseded());
            }
            match state {
                ConnectionState::Up(connection) => return Ok(connection),
                ConnectionState::Down(error) => return Err(error),
                ConnectionState::Unopened => return Ok(Arc::default()),
                ConnectionState::Opening => {}
            }
            if states.changed().await.is_err() {
                return Ok(Arc::default());
            }
        }
    }

    /// Begins an attempt. Called with the handshake locked.
    pub(crate) fn begin(self: &Arc<Self>, handshake: &mut Handshake) {
        let Some(opening) = handshake.opening.clone() else {
            return;
        };
        if matches!(&*self.state.borrow(), ConnectionState::Opening) {
            return;
        }
        self.start(opening, handshake.generation);
    }

    fn start(self: &Arc<Self>, opening: Message, generation: u64) {
        self.state.send_replace(ConnectionState::Opening);
        let shared = Arc::clone(self);
        self.spawn(async move { shared.attempt(opening, generation).await });
    }

    /// Opens the server. The session of an opening that the host has replaced meanwhile is ended.
    async fn attempt(self: &Arc<Self>, opening: Message, generation: u64) {
        let limit = if self.is_interactive {
            INTERACTIVE_ATTEMPT_TIMEOUT
        } else {
            ATTEMPT_TIMEOUT
        };
        let opened = self.within(limit, self.ask(&opening)).await;
        let opened = opened.unwrap_or_else(|| {
            let what = format!("the server has not answered within {} s", limit.as_secs());
            Err(ProxyRequestError::new(Remedy::Retry, what))
        });
        let (mut connection, answer) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!("the server can't be opened: {}", error.describe());
                let mut handshake = self.handshake();
                if handshake.generation != generation {
                    return;
                }
                handshake.last_attempt = self.clock.monotonic();
                handshake.failures = handshake.failures.saturating_add(1);
                self.state.send_replace(ConnectionState::Down(error));
                drop(handshake);
                return self.recover();
            }
        };
        // Also when the host has given up: the next start has its answer sooner.
        self.remember(&opening, &answer);
        let begun = self.handshake().begin_connection(generation);
        let Some((number, initialized)) = begun else {
            return self.end_session(&connection).await;
        };
        connection.number = number;
        let connection = Arc::new(connection);
        if let Some(initialized) = &initialized {
            self.tell_initialized(initialized, &connection).await;
        }
        let published = self.publish(&connection, answer, generation, initialized.is_some());
        let Some(owed) = published else {
            return self.end_session(&connection).await;
        };
        self.follow_http_sse(&connection);
        if initialized.is_some() {
            self.listen(&connection);
        }
        // Between the two looks at what is known the host may have said it.
        self.initialized_on(&connection).await;
        for kind in owed {
            self.outbox.send(kind.list_changed(None)).await;
        }
    }

    /// Makes `connection` the present one, unless the host has replaced the opening. Returns the lists
    /// that the host has to be told of, where the server has been told that the host is ready.
    fn publish(
        &self,
        connection: &Arc<Connection>,
        answer: Message,
        generation: u64,
        is_initialized: bool,
    ) -> Option<Vec<ListKind>> {
        let mut handshake = self.handshake();
        if handshake.generation != generation {
            return None;
        }
        if handshake.initialized.is_some() {
            connection.expect_stream();
        }
        // Only the host's own opening wants it, not each session after a lost one.
        handshake.answer = handshake.wants_answer.then_some(answer);
        self.state
            .send_replace(ConnectionState::Up(Arc::clone(connection)));
        let is_ready = is_initialized || connection.session.is_none();
        let is_due = std::mem::take(&mut handshake.list_changed_due) && is_ready;
        Some(if is_due {
            handshake.promised.clone()
        } else {
            Vec::new()
        })
    }

    /// Sends the opening and reads the server's answer to it. The session of an answer that is no result
    /// is ended.
    async fn ask(
        self: &Arc<Self>,
        opening: &Message,
    ) -> Result<(Connection, Message), ProxyRequestError> {
        let request = routing::post(opening, &Connection::default(), &self.tools)?;
        let server = self.reload_server().await?;
        let is_initialize = opening.method() == Some("initialize");
        let is_http_sse = server.transport() == TransportKind::HttpSse;
        if is_initialize && (is_http_sse || self.is_http_sse.load(Ordering::Relaxed)) {
            match SseConnection::open(&server, Interactivity::Interactive).await {
                Ok(stream) => return self.ask_http_sse(&server, stream, opening).await,
                Err(SseError::Status(_) | SseError::NoStream(_)) if !is_http_sse => {
                    self.is_http_sse.store(false, Ordering::Relaxed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let response = server.send(&request, Interactivity::Interactive).await;
        let response = response.map_err(|error| ProxyRequestError::from_error(&error))?;
        if !response.status().is_success() {
            if is_initialize && server.transport().falls_back_after(response.status()) {
                match SseConnection::open(&server, Interactivity::Interactive).await {
                    Ok(stream) => {
                        tracing::debug!("the server speaks HTTP+SSE of MCP 2024-11-05");
                        self.is_http_sse.store(true, Ordering::Relaxed);
                        return self.ask_http_sse(&server, stream, opening).await;
                    }
                    Err(error) if error.is_of_http_sse() => return Err(error.into()),
                    Err(error) => tracing::debug!("the server speaks no HTTP+SSE: {error}"),
                }
            }
            return Err(self.opening_refusal(opening, response).await);
        }
        let mut connection = Connection {
            version: routing::own_version(opening),
            session: response.session_id().map(str::to_owned),
            ..Connection::default()
        };
        let error = match self.answer_to(opening, response).await {
            Ok(answer) if answer.is_error() => ProxyRequestError::answer(about(answer, opening)),
            Ok(answer) => match check_size(&answer) {
                Ok(()) => {
                    connection.learn(&answer);
                    return Ok((connection, answer));
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        let shared = Arc::clone(self);
        self.spawn(async move { shared.end_session(&connection).await });
        Err(error)
    }

    /// Why the server does not open, with its own error if it has one.
    pub(crate) async fn opening_refusal(
        &self,
        opening: &Message,
        response: Response,
    ) -> ProxyRequestError {
        match self.refusal(response, &mut self.answers.meter()).await {
            Ok(answer) => ProxyRequestError::answer(about(answer, opening)),
            Err(error) => error,
        }
    }

    fn remember(&self, opening: &Message, answer: &Message) {
        let method = opening.method().unwrap_or_default();
        if let Some(part) = answer.single() {
            self.cache.save(&key_of(opening, method), &part.body);
        }
    }

    /// The host has said `notifications/initialized`.
    pub(crate) async fn initialized(self: &Arc<Self>, message: Message) {
        self.handshake().initialized = Some(message);
        if let Some(connection) = self.up() {
            self.initialized_on(&connection).await;
        }
    }

    /// Tells the server, if the host has said it and the server does not know yet; then the server's own
    /// stream is opened.
    async fn initialized_on(self: &Arc<Self>, connection: &Arc<Connection>) {
        let tell = {
            let mut handshake = self.handshake();
            let due = handshake.initialized_on < connection.number;
            handshake
                .initialized
                .clone()
                .filter(|_| due)
                .inspect(|_| handshake.initialized_on = connection.number)
        };
        if let Some(message) = tell {
            self.tell_initialized(&message, connection).await;
            self.listen(connection);
        }
    }

    async fn tell_initialized(&self, message: &Message, connection: &Connection) {
        if let Err(error) = self.post_once(message, connection).await {
            tracing::warn!("the server was not told: {}", error.describe());
        }
    }

    /// Listens to the server's own stream.
    fn listen(self: &Arc<Self>, connection: &Arc<Connection>) {
        if connection.expect_stream() {
            let (shared, connection) = (Arc::clone(self), Arc::clone(connection));
            connection.listening(true);
            self.spawn(async move {
                let end = listening::listen(&shared, &connection).await;
                connection.listening(false);
                shared.fail_accepted(connection.number, end.reason()).await;
                if end == ListenEnd::SessionLost {
                    shared.renew_session(&connection).await;
                }
            });
        }
    }
}

/// An answer to an opening is kept until the host has it, outside of the budget of answers.
pub(crate) fn check_size(answer: &Message) -> Result<(), ProxyRequestError> {
    if answer.bytes.len() <= MAX_OPENING_ANSWER_BYTES {
        return Ok(());
    }
    let size = answer.bytes.len();
    let what = format!(
        "the server says about itself {size} bytes in its answer to the handshake; 1 MiB is the limit"
    );
    Err(ProxyRequestError::new(Remedy::Report, what))
}

/// The host has sent another opening.
fn superseded() -> ProxyRequestError {
    ProxyRequestError::new(
        Remedy::Report,
        "the host has sent another opening meanwhile",
    )
}

/// What the answer to an opening is remembered by.
fn key_of(opening: &Message, method: &str) -> String {
    let version = asked_version(opening).unwrap_or_default();
    let plain = |text: &str| -> String {
        let kept = text.chars().take(32);
        kept.map(|it| {
            if it.is_ascii_alphanumeric() || it == '-' {
                it
            } else {
                '_'
            }
        })
        .collect()
    };
    format!("{}-{}", plain(method), plain(&version))
}

fn asked_version(opening: &Message) -> Option<String> {
    let part = opening.single()?;
    part.text_at(&["protocolVersion"])
        .or_else(|| routing::own_version(opening))
}
