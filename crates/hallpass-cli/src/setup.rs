//! From the command line to the stack: URLs, settings, the HTTP client.

use std::{sync::Arc, time::Duration};

use hallpass::{
    CallbackSetting, ClientId, ClientSecret, ClientSetting, ExplicitEndpoints, Hallpass, Issuer,
    PkceSetting, PreRegisteredClient, Profile, Resource, ResourceSetting, Scopes, ServerSettings,
    ServerUrl, Slot,
    http_client::{CaBundle, HttpConfig, Origin, OriginHeaders, ProxyConfig, Trust},
    login::Interaction,
    store::{CredentialStore, MemoryStore},
};

use url::Url;

use crate::{
    arguments::{Server, ServerOptions},
    environment::Environment,
    exit::Failed,
    program::Program,
    remembered::Remembered,
    store::{self, Store},
    token_source,
};

/// Somebody who can sign in, and how.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) interaction: Arc<dyn Interaction>,
    /// How long they may take.
    pub(crate) limit: Duration,
    /// Whether a code for another device is offered too.
    pub(crate) device: bool,
}

/// Which options count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Options {
    /// Those on the command line over the remembered ones.
    Remembered,
    /// Those on the command line alone.
    Given,
    /// None at all.
    None,
}

/// One server, wired up.
pub(crate) struct Setup {
    pub(crate) hallpass: Hallpass,
    pub(crate) remembered: Remembered,
    pub(crate) options: ServerOptions,
    /// Whether anything outlives the program.
    pub(crate) keeps: bool,
}

impl Setup {
    /// The options on the command line over the remembered ones.
    pub(crate) fn options(program: &Program, server: &Server) -> Result<ServerOptions, Failed> {
        let slot = slot(&server.url, &server.account)?;
        let remembered = Remembered::of(&slot, &store::folder(program)?);
        given(server)?
            .over(&remembered.load()?)
            .map_err(Failed::new)
    }

    /// Whether a server can be wired up with these options, short of its credentials.
    pub(crate) fn check(program: &Program, server: &Server) -> Result<(), Failed> {
        let slot = slot(&server.url, &server.account)?;
        let options = Self::options(program, server)?;
        let nothing = Arc::new(MemoryStore::new());
        build(slot, &options, nothing, None, &program.environment).map(drop)
    }

    /// Wires up the server that the command line names, with the options that were given over the
    /// remembered ones.
    pub(crate) async fn new(
        program: &Program,
        server: &Server,
        options: Options,
        person: Option<Person>,
    ) -> Result<Self, Failed> {
        let slot = slot(&server.url, &server.account)?;
        let remembered = Remembered::of(&slot, &store::folder(program)?);
        let options = match options {
            Options::Remembered => Self::options(program, server)?,
            Options::Given => given(server)?,
            Options::None => ServerOptions::default(),
        };
        // Where somebody else obtains the tokens, there is nothing to keep but the options.
        let handed_in = options.have_token_source();
        let store = match &person {
            Some(_) if !handed_in => Store::open_or_create(program).await?,
            _ => Store::open(program).await?,
        };
        let hallpass = build(slot, &options, store.port(), person, &program.environment)?;
        program.opened(&hallpass);
        Ok(Self {
            hallpass,
            remembered,
            options,
            keeps: store.keeps() || handed_in && !matches!(store, Store::Memory(_)),
        })
    }
}

/// The options on the command line.
fn given(server: &Server) -> Result<ServerOptions, Failed> {
    let mut given = server.options.clone();
    let files = [&mut given.ca_certificate, &mut given.token_file];
    for file in files.into_iter().flatten() {
        // Remembered, it must mean the same file from every folder.
        *file = std::path::absolute(&file)?;
    }
    Ok(given)
}

/// The slot of a URL and an account's name.
pub(crate) fn slot(url: &str, account: &str) -> Result<Slot, Failed> {
    let server = ServerUrl::parse(url).map_err(Failed::usage)?;
    let profile = Profile::parse(account).map_err(Failed::usage)?;
    Ok(Slot::new(server).with_profile(profile))
}

fn build(
    slot: Slot,
    options: &ServerOptions,
    store: Arc<dyn CredentialStore>,
    person: Option<Person>,
    environment: &Environment,
) -> Result<Hallpass, Failed> {
    let mut builder = Hallpass::builder(slot.server.clone())
        .profile(slot.profile)
        .settings(settings(options, environment)?)
        .http(http(&slot.server, options, environment)?)
        .store(store);
    if let Some(source) = token_source::of(options, environment)? {
        builder = builder.token_source(source);
    }
    if let Some(person) = person {
        let parameters = authorize_params(options)?;
        builder = builder.sign_in_through(person.interaction, move |login| {
            let login = login.time_limit(person.limit).device_grant(person.device);
            parameters.into_iter().fold(login, |login, (name, value)| {
                login.authorize_parameter(name, value)
            })
        });
    }
    builder.build().map_err(Failed::usage)
}

fn settings(options: &ServerOptions, environment: &Environment) -> Result<ServerSettings, Failed> {
    let usual = CallbackSetting::default();
    Ok(ServerSettings {
        resource: match options.resource.as_deref() {
            None => ResourceSetting::Published,
            Some("none") => ResourceSetting::Omitted,
            Some(text) => ResourceSetting::Exactly {
                resource: Resource::parse(text).map_err(Failed::usage)?,
                allow_mismatch: options.allow_resource_mismatch,
            },
        },
        scopes: options
            .scope
            .as_deref()
            .map(Scopes::parse)
            .transpose()
            .map_err(Failed::usage)?,
        issuer: options
            .issuer
            .as_deref()
            .map(Issuer::parse)
            .transpose()
            .map_err(Failed::usage)?,
        trusted_issuers: options
            .trusted_issuer
            .iter()
            .map(|text| Issuer::parse(text).map_err(Failed::usage))
            .collect::<Result<_, _>>()?,
        resource_metadata_url: url(options.resource_metadata_url.as_ref())?,
        server_metadata_url: url(options.server_metadata_url.as_ref())?,
        endpoints: match url(options.token_endpoint.as_ref())? {
            None => None,
            Some(token) => Some(ExplicitEndpoints {
                token,
                authorization: url(options.authorization_endpoint.as_ref())?,
                registration: url(options.registration_endpoint.as_ref())?,
                revocation: url(options.revocation_endpoint.as_ref())?,
            }),
        },
        legacy_discovery: options.legacy_discovery,
        client: client(options, environment)?,
        client_name: Some("Hallpass".to_owned()),
        callback: CallbackSetting {
            host: options.callback_host.clone().unwrap_or(usual.host),
            port: options.callback_port,
            path: options.callback_path.clone().unwrap_or(usual.path),
        },
        pkce: if options.assume_s256 {
            PkceSetting::AssumeS256
        } else {
            PkceSetting::default()
        },
        ..ServerSettings::default()
    })
}

fn authorize_params(options: &ServerOptions) -> Result<Vec<(String, String)>, Failed> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failed::usage("an `--authorize-param` is no `name=value`")),
    };
    options.authorize_params.iter().map(pair).collect()
}

fn url(text: Option<&String>) -> Result<Option<Url>, Failed> {
    let parse = |text: &String| {
        Url::parse(text).map_err(|error| Failed::usage(format!("`{text}` is not a URL: {error}")))
    };
    text.map(parse).transpose()
}

fn client(options: &ServerOptions, environment: &Environment) -> Result<ClientSetting, Failed> {
    let secret = match &options.client_secret_env {
        None => None,
        Some(name) => Some(ClientSecret::new(variable(name, environment)?)),
    };
    Ok(ClientSetting {
        pre_registered: options.client_id.as_ref().map(|id| PreRegisteredClient {
            id: ClientId::new(id),
            secret,
            auth_method: None,
            issuer: None,
        }),
        metadata_document: url(options.client_metadata_url.as_ref())?,
        key: None,
    })
}

/// The HTTP client's configuration: the server's own options over what the environment says.
fn http(
    server: &ServerUrl,
    options: &ServerOptions,
    environment: &Environment,
) -> Result<HttpConfig, Failed> {
    let trust = match &options.ca_certificate {
        Some(file) => Trust::PlatformPlus(CaBundle::from_file(file).map_err(Failed::usage)?),
        None => Trust::from_environment_values(|name| environment.get(name).map(Into::into))
            .map_err(Failed::usage)?,
    };
    let value_of = |name: &str| environment.get(name).map(str::to_owned);
    Ok(HttpConfig {
        trust,
        proxy: ProxyConfig::from_environment_values(value_of).map_err(Failed::usage)?,
        headers: options
            .headers
            .iter()
            .map(|header| origin_header(header, server, environment))
            .collect::<Result<_, _>>()?,
        ..HttpConfig::default()
    })
}

/// Reads `[ORIGIN ]Name: value`; without an origin it is the server's own.
fn origin_header(
    text: &str,
    server: &ServerUrl,
    environment: &Environment,
) -> Result<OriginHeaders, Failed> {
    let form = "write it as 'Name: value' or 'https://origin.example Name: value'";
    let (origin, header) = match text.split_once(' ') {
        Some((origin, header)) if origin.contains("://") => (
            Some(Origin::parse(origin).map_err(|error| Failed::usage(error).hint(form))?),
            header,
        ),
        _ => (Origin::of(server.url()), text),
    };
    let (Some(origin), Some((name, value))) = (origin, header.split_once(':')) else {
        // Not repeated: what was typed may be a secret.
        return Err(Failed::usage("a `--header` is no header").hint(form));
    };
    let name = http::HeaderName::try_from(name.trim()).map_err(Failed::usage)?;
    let value = expand(value.trim(), environment)?;
    let mut value = http::HeaderValue::try_from(value).map_err(Failed::usage)?;
    value.set_sensitive(true);
    Ok(OriginHeaders {
        origin,
        headers: [(name, value)].into_iter().collect(),
    })
}

/// Puts environment variables in place of `${NAME}`.
fn expand(text: &str, environment: &Environment) -> Result<String, Failed> {
    let Some((before, rest)) = text.split_once("${") else {
        return Ok(text.to_owned());
    };
    let Some((name, after)) = rest.split_once('}') else {
        return Err(Failed::usage("a `${` in a header has no `}`"));
    };
    let value = variable(name, environment)?;
    Ok(format!("{before}{value}{}", expand(after, environment)?))
}

fn variable<'a>(name: &str, environment: &'a Environment) -> Result<&'a str, Failed> {
    environment.get(name).ok_or_else(|| {
        Failed::usage(format!("the environment variable `{name}` is not set"))
            .hint("it was named in the options of this server")
    })
}
