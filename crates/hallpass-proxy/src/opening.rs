//! Opening the server: the first time, after its session was lost, and when it can be asked again.
//!
//! One attempt runs at a time. The host's `initialize` goes to the server as it is, whenever that can
//! be asked; if the answer is late the host has one from here, and is told afterwards that the lists
//! have changed.

use std::{sync::Arc, time::Duration};

use hallpass_core::Remedy;
use hallpass_mcp::{
    Interactivity,
    jsonrpc::{Id, Kind, Message},
};

use crate::{
    answer::about,
    connection::{Connection, ConnectionState, ServerState},
    listening::{self, SESSION_ENDED, StreamEnd},
    placeholder,
    request_error::ProxyRequestError,
    routing,
    shared::Shared,
};

/// How long the host waits for the answer to its `initialize`. With what else it takes it stays well
/// below 200 ms.
const INITIALIZE: Duration = Duration::from_millis(120);

/// How long it waits for an answer that there is no substitute for.
const DISCOVER: Duration = Duration::from_secs(8);

/// How long one attempt may take. Where it asks a person that sets its own limit.
const ATTEMPT: Duration = Duration::from_secs(60);
const ATTEMPT_WITH_A_PERSON: Duration = Duration::from_secs(3600);

/// What fails is not tried again for this long, however many calls want it.
const PAUSE: Duration = Duration::from_millis(250);

impl Shared {
    /// Begins with the host's opening, and returns its generation. What comes after it waits for
    /// its result.
    pub(crate) fn begin_with(self: &Arc<Self>, message: &Message) -> u64 {
        let mut known = self.known();
        let generation = known.generation + 1;
        *known = ServerState {
            opening: Some(message.clone()),
            generation,
            connections: known.connections,
            tended: known.tended,
            last_renewal: known.last_renewal,
            ..ServerState::default()
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
        let remembered = self.memory.load(&key_of(&message, &method));
        let has_substitute = method == "initialize" || remembered.is_some();
        let limit = if has_substitute { INITIALIZE } else { DISCOVER };
        let outcome = self.within(limit, self.settled(Some(generation))).await;
        let trouble = match outcome {
            Some(Ok(connection)) => return self.pass_answer(&id, &connection).await,
            Some(Err(trouble)) => trouble,
            None => ProxyRequestError::new(Remedy::Retry, "the server has not answered yet"),
        };
        if let Some(answer) = trouble.own_answer() {
            self.close(generation);
            self.deliver(answer).await;
            return;
        }
        if !has_substitute {
            // An older server may still be opened by `initialize`, which the host tries next.
            self.close(generation);
            return self.fail(&message, &self.advised(trouble)).await;
        }
        let words = self.advised(trouble).in_words();
        let asked = asked_version(&message);
        let result = placeholder::opening(&method, asked.as_deref(), remembered.as_deref(), &words);
        let just_now = {
            let mut known = self.known();
            if known.generation == generation {
                let up = self.up();
                if up.is_none() {
                    known.promise(&result);
                }
                Ok(up)
            } else {
                Err(superseded())
            }
        };
        match just_now {
            Ok(None) => {}
            Ok(Some(connection)) => return self.pass_answer(&id, &connection).await,
            Err(error) => return self.fail(&message, &error).await,
        }
        self.respond(&id, &result).await;
        self.tend();
    }

    async fn pass_answer(&self, id: &Id, connection: &Connection) {
        match &connection.answer {
            Some(answer) => {
                self.deliver(answer).await;
            }
            None => self.respond(id, b"{}").await,
        }
    }

    /// Forgets the opening of this generation, which failed, unless there is another by now.
    fn close(&self, generation: u64) {
        let mut known = self.known();
        if known.generation == generation {
            known.opening = None;
            known.generation += 1;
            self.phase.send_replace(ConnectionState::Unopened);
        }
    }

    /// A connection, once there is one: the present one, or what comes of an attempt.
    pub(crate) async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, ProxyRequestError> {
        {
            let mut known = self.known();
            let phase = self.phase.borrow().clone();
            match phase {
                ConnectionState::Up(connection) => return Ok(connection),
                ConnectionState::Unopened => return Ok(Arc::default()),
                ConnectionState::Opening => {}
                ConnectionState::Down(trouble) => {
                    let since = self.clock.monotonic().saturating_sub(known.last_attempt);
                    if since < PAUSE {
                        return Err(trouble);
                    }
                    self.begin(&mut known);
                }
            }
        }
        self.settled(None).await
    }

    /// Another connection than the one with this number, whose session the server knows no more.
    pub(crate) async fn another(
        self: &Arc<Self>,
        number: u64,
    ) -> Result<Arc<Connection>, ProxyRequestError> {
        {
            let mut known = self.known();
            if self.up().is_some_and(|up| up.number == number) {
                tracing::info!("the server has ended the session; it is opened again");
                self.begin(&mut known);
                let shared = Arc::clone(self);
                self.spawn(async move { shared.fail_accepted(number, SESSION_ENDED).await });
            }
        }
        self.connection().await
    }

    /// The connection there is.
    pub(crate) fn up(&self) -> Option<Arc<Connection>> {
        match &*self.phase.borrow() {
            ConnectionState::Up(connection) => Some(Arc::clone(connection)),
            ConnectionState::Unopened | ConnectionState::Opening | ConnectionState::Down(_) => None,
        }
    }

    /// Whether `connection` is the present one.
    pub(crate) fn is_current(&self, connection: &Connection) -> bool {
        self.up().is_some_and(|up| up.number == connection.number)
    }

    /// The result of the attempt that runs; of the opening of this generation alone, if one is given.
    async fn settled(&self, generation: Option<u64>) -> Result<Arc<Connection>, ProxyRequestError> {
        let mut phase = self.phase.subscribe();
        loop {
            let state = phase.borrow_and_update().clone();
            if generation.is_some_and(|it| self.known().generation != it) {
                return Err(superseded());
            }
            match state {
                ConnectionState::Up(connection) => return Ok(connection),
                ConnectionState::Down(trouble) => return Err(trouble),
                ConnectionState::Unopened => return Ok(Arc::default()),
                ConnectionState::Opening => {}
            }
            if phase.changed().await.is_err() {
                return Ok(Arc::default());
            }
        }
    }

    /// Begins an attempt. Called with what is known locked.
    pub(crate) fn begin(self: &Arc<Self>, known: &mut ServerState) {
        let Some(opening) = known.opening.clone() else {
            return;
        };
        if matches!(&*self.phase.borrow(), ConnectionState::Opening) {
            return;
        }
        self.start(opening, known.generation);
    }

    fn start(self: &Arc<Self>, opening: Message, generation: u64) {
        self.phase.send_replace(ConnectionState::Opening);
        let shared = Arc::clone(self);
        self.spawn(async move { shared.attempt(opening, generation).await });
    }

    /// Opens the server. The result of an opening that the host has replaced meanwhile is dropped.
    async fn attempt(self: &Arc<Self>, opening: Message, generation: u64) {
        let limit = if self.asks_a_person {
            ATTEMPT_WITH_A_PERSON
        } else {
            ATTEMPT
        };
        let opened = self.within(limit, self.ask(&opening)).await;
        let opened = opened.unwrap_or_else(|| {
            let what = format!("the server has not answered within {} s", limit.as_secs());
            Err(ProxyRequestError::new(Remedy::Retry, what))
        });
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(trouble) => {
                tracing::warn!("the server can't be opened: {}", trouble.in_words());
                let mut known = self.known();
                if known.generation != generation {
                    return;
                }
                known.last_attempt = self.clock.monotonic();
                known.failures = known.failures.saturating_add(1);
                self.phase.send_replace(ConnectionState::Down(trouble));
                drop(known);
                return self.tend();
            }
        };
        let initialized = {
            let mut known = self.known();
            if known.generation != generation {
                return;
            }
            known.connections += 1;
            known.failures = 0;
            connection.number = known.connections;
            known
                .initialized
                .clone()
                .inspect(|_| known.told = connection.number)
        };
        let connection = Arc::new(connection);
        if let Some(initialized) = &initialized {
            self.tell_initialized(initialized, &connection).await;
        }
        self.remember(&opening, &connection);
        let owed = {
            let mut known = self.known();
            if known.generation != generation {
                return;
            }
            if known.initialized.is_some() {
                connection.expect_stream();
            }
            self.phase
                .send_replace(ConnectionState::Up(Arc::clone(&connection)));
            let told = initialized.is_some() || connection.session.is_none();
            if std::mem::take(&mut known.owes_changes) && told {
                known.promised.clone()
            } else {
                Vec::new()
            }
        };
        if initialized.is_some() {
            self.listen(&connection);
        }
        // Between the two looks at what is known the host may have said it.
        self.initialized_on(&connection).await;
        for listed in owed {
            self.outbox.send(listed.changed(None)).await;
        }
    }

    /// Sends the opening and reads the server's answer to it.
    async fn ask(&self, opening: &Message) -> Result<Connection, ProxyRequestError> {
        let request = routing::post(opening, &Connection::default(), &self.tools)?;
        let server = self.server_anew().await?;
        let response = server.send(&request, Interactivity::Interactive).await;
        let response = response.map_err(|stop| ProxyRequestError::from(&stop))?;
        let session = response.session_id().map(str::to_owned);
        if !response.status().is_success() {
            let answer = self.refusal(response).await?;
            return Err(ProxyRequestError::answer(about(answer, opening)));
        }
        let answer = self.answer_to(opening, response).await?;
        if answer.is_error() {
            return Err(ProxyRequestError::answer(about(answer, opening)));
        }
        let part = answer.single();
        let version = part.and_then(|part| part.text_at(&["protocolVersion"]));
        let version = version.or_else(|| routing::own_version(opening));
        Ok(Connection {
            number: 0,
            version,
            session,
            answer: Some(answer),
            ..Connection::default()
        })
    }

    fn remember(&self, opening: &Message, connection: &Connection) {
        let method = opening.method().unwrap_or_default();
        if let Some(part) = connection.answer.as_ref().and_then(Message::single) {
            self.memory.save(&key_of(opening, method), &part.body);
        }
    }

    /// The host has said `notifications/initialized`.
    pub(crate) async fn initialized(self: &Arc<Self>, message: Message) {
        self.known().initialized = Some(message);
        if let Some(connection) = self.up() {
            self.initialized_on(&connection).await;
        }
    }

    /// Tells the server, if the host has said it and nobody has told it yet; from then on the server
    /// may speak unasked.
    async fn initialized_on(self: &Arc<Self>, connection: &Arc<Connection>) {
        let tell = {
            let mut known = self.known();
            let due = known.told < connection.number;
            known
                .initialized
                .clone()
                .filter(|_| due)
                .inspect(|_| known.told = connection.number)
        };
        if let Some(message) = tell {
            self.tell_initialized(&message, connection).await;
            self.listen(connection);
        }
    }

    async fn tell_initialized(&self, message: &Message, connection: &Connection) {
        if let Err(trouble) = self.post_once(message, connection).await {
            tracing::warn!("the server was not told: {}", trouble.in_words());
        }
    }

    /// Listens to what the server says unasked, which it may from now on.
    fn listen(self: &Arc<Self>, connection: &Arc<Connection>) {
        if connection.expect_stream() {
            let (shared, connection) = (Arc::clone(self), Arc::clone(connection));
            connection.listening(true);
            self.spawn(async move {
                let end = listening::listen(&shared, &connection).await;
                connection.listening(false);
                shared.fail_accepted(connection.number, end.reason()).await;
                if end == StreamEnd::SessionLost {
                    shared.renew_session(&connection).await;
                }
            });
        }
    }
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
