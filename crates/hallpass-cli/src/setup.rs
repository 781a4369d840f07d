//! From the command line to the stack.

use std::{num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use hallpass::{
    CredentialKey, Hallpass, HallpassBuilder, ServerSettings,
    login::Interaction,
    mcp::TransportKind,
    store::{CredentialStore, MemoryStore},
};

use crate::{
    client_credentials,
    config::Config,
    exit::CommandError,
    named_waits::NamedWaits,
    network,
    program::Program,
    saved_options::SavedOptions,
    server_options::{Server, ServerOptions, Transport, credential_key},
    server_ref::ServerRef,
    settings,
    store::{self, Store},
    token_source,
};

/// The user who can sign in, and how.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) interaction: Arc<dyn Interaction>,
    /// How long they may take.
    pub(crate) limit: Duration,
    /// Whether a code for another device is offered too.
    pub(crate) device: bool,
    /// Whether they have another account on the server; a [`Setup`] finds out.
    pub(crate) has_another_account: bool,
}

/// Which options count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Options {
    /// Those on the command line over the remembered ones.
    Saved,
    /// Those on the command line alone.
    Given,
    /// None at all.
    None,
}

/// One server, wired up.
pub(crate) struct Setup {
    pub(crate) server_ref: ServerRef,
    pub(crate) hallpass: Hallpass,
    pub(crate) remembered: SavedOptions,
    pub(crate) options: ServerOptions,
    /// Those that a login remembers: what the configuration says is not among them.
    pub(crate) to_remember: ServerOptions,
    /// Those that were given and that the configuration sets otherwise.
    pub(crate) set_otherwise: Vec<String>,
    /// Whether anything outlives the program.
    pub(crate) keeps: bool,
}

impl Setup {
    /// The options on the command line, over those of the configuration, over the remembered ones.
    pub(crate) fn options(
        program: &Program,
        server: &Server,
    ) -> Result<ServerOptions, CommandError> {
        let key = key(program, &server.url, server.account.as_deref())?;
        let below = options_of(program, &key)?;
        given(server)?.over(&below).map_err(CommandError::new)
    }

    /// Whether a server can be wired up with these options, short of its credentials.
    pub(crate) fn check(program: &Program, server: &Server) -> Result<(), CommandError> {
        Self::without_credentials(program, server).map(drop)
    }

    /// The builder of a server with the options that [`options`](Self::options) gives, without its
    /// credentials.
    pub(crate) fn without_credentials(
        program: &Program,
        server: &Server,
    ) -> Result<HallpassBuilder, CommandError> {
        let key = key(program, &server.url, server.account.as_deref())?;
        let options = Self::options(program, server)?;
        let settings = settings::settings(&options, &program.environment)?;
        let nothing = Arc::new(MemoryStore::new());
        builder(key, &options, settings, nothing, program)
    }

    /// Wires up the server that the command line names, with the options that were given over the
    /// remembered ones.
    pub(crate) async fn new(
        program: &Program,
        server: &Server,
        options: Options,
        user: Option<User>,
    ) -> Result<Self, CommandError> {
        let key = key(program, &server.url, server.account.as_deref())?;
        let server_ref = ServerRef::new(&key, program).keeping(&server.options);
        let remembered = SavedOptions::new(&key, &store::folder(program)?);
        let prompts_again = server.options.client_secret_prompt == Some(true);
        let to_remember = to_remember(program, server, options, &key, &remembered)?;
        let set_otherwise = match options {
            Options::None => Vec::new(),
            _ => set_otherwise(program, server, &key)?,
        };
        let options = match options {
            Options::Saved => Self::options(program, server)?,
            Options::Given => {
                let configured = configured(program, &key)?;
                given(server)?
                    .over(&configured)
                    .map_err(CommandError::new)?
            }
            Options::None => ServerOptions::default(),
        };
        // With an external token source only the options are saved.
        let handed_in = options.have_token_source();
        let store = match &user {
            Some(_) if !handed_in => Store::open_or_create(program).await?,
            _ => Store::open(program).await?,
        };
        let environment = &program.environment;
        let mut settings = settings::settings(&options, environment)?;
        if let (Some(_), Some(true), Some(client)) = (
            &user,
            options.client_secret_prompt,
            &mut settings.client.pre_registered,
        ) {
            let record = store.port().load(&key).await?;
            let record = record.as_ref();
            let output = &program.output;
            client_credentials::typed(client, record, prompts_again, environment, output).await?;
        }
        let mut user = user;
        if let Some(user) = &mut user {
            user.has_another_account = has_another_account(&key, &*store.port()).await?;
        }
        let hallpass = build(key, &options, settings, store.port(), user, program)?;
        program.opened(&hallpass);
        Ok(Self {
            server_ref,
            hallpass,
            remembered,
            options,
            to_remember,
            set_otherwise,
            keeps: store.keeps() || handed_in && !matches!(store, Store::Memory(_)),
        })
    }
}

/// What a login remembers: the options that were given, over those that were remembered, but for those
/// that the configuration has. It is the place to change those, and nothing remembered hides that.
fn to_remember(
    program: &Program,
    server: &Server,
    options: Options,
    key: &CredentialKey,
    remembered: &SavedOptions,
) -> Result<ServerOptions, CommandError> {
    let given = given(server)?;
    let all = match options {
        Options::Saved => given
            .over(&remembered.load(program)?)
            .map_err(CommandError::new)?,
        Options::Given => given,
        Options::None => return Ok(ServerOptions::default()),
    };
    let configured = configured(program, key)?;
    let configured = configured.to_map().map_err(CommandError::new)?;
    let mut all = all.to_map().map_err(CommandError::new)?;
    all.retain(|option, _| !configured.contains_key(option));
    serde_json::from_value(serde_json::Value::Object(all)).map_err(CommandError::new)
}

/// The options on the command line whose values the configuration sets otherwise.
fn set_otherwise(
    program: &Program,
    server: &Server,
    key: &CredentialKey,
) -> Result<Vec<String>, CommandError> {
    let configured = configured(program, key)?;
    let configured = configured.to_map().map_err(CommandError::new)?;
    let given = given(server)?.to_map().map_err(CommandError::new)?;
    let differs =
        |(option, value): &(String, _)| configured.get(option).is_some_and(|other| other != value);
    let differing = given.into_iter().filter(differs);
    Ok(differing.map(|(option, _)| option).collect())
}

/// The options that an account has without any on the command line: those of the configuration, over
/// the remembered ones.
pub(crate) fn options_of(
    program: &Program,
    key: &CredentialKey,
) -> Result<ServerOptions, CommandError> {
    let remembered = SavedOptions::new(key, &store::folder(program)?);
    configured(program, key)?
        .over(&remembered.load(program)?)
        .map_err(CommandError::new)
}

/// The options that the configuration file sets for an account. What is wrong elsewhere in the file is
/// a warning.
fn configured(program: &Program, key: &CredentialKey) -> Result<ServerOptions, CommandError> {
    let config = Config::read(program)?;
    let options = config.options(key)?;
    program.warn_of_config(config.warnings());
    Ok(options)
}

/// The options on the command line.
pub(crate) fn given(server: &Server) -> Result<ServerOptions, CommandError> {
    let mut given = server.options.clone();
    // Remembered, they must mean the same files from every folder.
    given.files_from(Path::new(""))?;
    Ok(given)
}

/// The builder of one server, without a sign-in.
pub(crate) fn builder(
    key: CredentialKey,
    options: &ServerOptions,
    settings: ServerSettings,
    store: Arc<dyn CredentialStore>,
    program: &Program,
) -> Result<HallpassBuilder, CommandError> {
    let builder = Hallpass::builder(key.server.clone())
        .account(key.account)
        .settings(settings)
        .http(network::http(&key.server, options, &program.environment)?)
        .store(store);
    let builder = if program.names_waits {
        let output = program.output.clone();
        builder.watch_http(move |below| Arc::new(NamedWaits::new(below, output)))
    } else {
        builder
    };
    let builder = builder.transport_kind(match options.transport {
        None | Some(Transport::Auto) => TransportKind::Auto,
        Some(Transport::Http) => TransportKind::StreamableHttp,
        Some(Transport::Sse) => TransportKind::HttpSse,
    });
    let builder = match options.max_message_size {
        Some(size) => builder.max_message_bytes(bytes(size)),
        None => builder,
    };
    Ok(
        match token_source::from_options(options, &program.environment)? {
            Some(source) => builder.token_source(source),
            None => builder,
        },
    )
}

/// So many MiB in bytes.
fn bytes(size: NonZeroU32) -> usize {
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    size.saturating_mul(1024 * 1024)
}

fn build(
    key: CredentialKey,
    options: &ServerOptions,
    settings: ServerSettings,
    store: Arc<dyn CredentialStore>,
    user: Option<User>,
    program: &Program,
) -> Result<Hallpass, CommandError> {
    let mut builder = builder(key, options, settings, store, program)?;
    if let Some(user) = user {
        builder = builder.interactive_with(user.interaction, move |login| {
            login
                .timeout(user.limit)
                .device_grant(user.device)
                .another_account(user.has_another_account)
        });
    }
    builder.build().map_err(CommandError::usage)
}

/// Whether another account on the credential's server is kept.
async fn has_another_account(
    key: &CredentialKey,
    store: &dyn CredentialStore,
) -> Result<bool, CommandError> {
    let listing = store.list().await?;
    let others =
        |other: &&CredentialKey| other.server == key.server && other.account != key.account;
    Ok(listing.credentials.iter().any(|other| others(&other)))
}

/// The credential of a server's name or URL, and an account's name, if one is given.
pub(crate) fn key(
    program: &Program,
    server: &str,
    account: Option<&str>,
) -> Result<CredentialKey, CommandError> {
    // A URL needs no configuration file.
    if server.contains("://") {
        credential_key(server, account)
    } else {
        Config::read(program)?.key(server, account)
    }
}
