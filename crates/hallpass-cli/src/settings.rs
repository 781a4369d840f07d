//! From a server's options to the settings of the stack.

use hallpass::{
    ClientId, Issuer, Resource, Scopes, ServerSettings,
    settings::{
        CallbackSetting, ClientSetting, DpopSetting, ExplicitEndpoints, PkceSetting,
        PreRegisteredClient, ResourceSetting,
    },
};
use url::Url;

use crate::{
    client_credentials::{self, ClientCredentials},
    environment::Environment,
    exit::CommandError,
    server_options::ServerOptions,
};

/// The value of `issuer` that takes any issuer which the MCP server names.
const FROM_RESOURCE: &str = "from-resource";

/// What goes wrong with an option's value, and whose it is.
fn of<T, E: std::error::Error + Send + Sync + 'static>(
    option: &str,
    parsed: Result<T, E>,
) -> Result<T, CommandError> {
    parsed
        .map_err(|error| CommandError::usage(error).hint(format!("it is the value of `{option}`")))
}

pub(crate) fn settings(
    options: &ServerOptions,
    environment: &Environment,
) -> Result<ServerSettings, CommandError> {
    check(options)?;
    let usual = CallbackSetting::default();
    let is_from_resource = options.issuer.as_deref() == Some(FROM_RESOURCE);
    let issuer = |option: &str, text: &String| of(option, Issuer::parse(text));
    let name = options.client_name.clone();
    Ok(ServerSettings::default()
        .with_resource(match options.resource.as_deref() {
            None => ResourceSetting::Published,
            Some("none") => ResourceSetting::Omitted,
            Some(text) => ResourceSetting::Exactly {
                resource: of("resource", Resource::parse(text))?,
                allow_mismatch: options.allow_resource_mismatch == Some(true),
            },
        })
        .with_scopes(match &options.scope {
            Some(text) => Some(of("scope", Scopes::parse(text))?),
            None => None,
        })
        .with_issuer(match &options.issuer {
            Some(text) if !is_from_resource => Some(issuer("issuer", text)?),
            _ => None,
        })
        .with_issuer_from_resource(is_from_resource)
        .with_trusted_issuers(
            options
                .trusted_issuer
                .iter()
                .map(|text| issuer("trusted-issuer", text))
                .collect::<Result<Vec<_>, _>>()?,
        )
        .with_resource_metadata_url(url(options.resource_metadata_url.as_ref())?)
        .with_server_metadata_url(url(options.server_metadata_url.as_ref())?)
        .with_endpoints(match url(options.token_endpoint.as_ref())? {
            None => None,
            Some(token) => Some(
                ExplicitEndpoints::new(token)
                    .with_authorization(url(options.authorization_endpoint.as_ref())?)
                    .with_registration(url(options.registration_endpoint.as_ref())?)
                    .with_revocation(url(options.revocation_endpoint.as_ref())?),
            ),
        })
        .with_legacy_discovery(options.legacy_discovery == Some(true))
        .with_client(client(options, environment)?)
        .with_client_name(name.unwrap_or_else(|| "Hallpass".to_owned()))
        .with_callback(
            CallbackSetting::default()
                .with_host(options.callback_host.clone().unwrap_or(usual.host))
                .with_port(options.callback_port)
                .with_path(options.callback_path.clone()),
        )
        .with_pkce(if options.assume_s256 == Some(true) {
            PkceSetting::AssumeS256
        } else {
            PkceSetting::default()
        })
        .with_dpop(if options.dpop == Some(true) {
            DpopSetting::Always
        } else {
            DpopSetting::default()
        })
        .with_authorize_parameters(authorize_params(options)?)
        .with_refresh_scope(options.refresh_scope == Some(true))
        .with_max_refresh_attempts(options.max_refresh_attempts))
}

/// Refuses options that can't be meant together.
pub(crate) fn check(options: &ServerOptions) -> Result<(), CommandError> {
    match options.contradiction().map_err(CommandError::new)? {
        Some(what) => Err(CommandError::usage(what)),
        None => Ok(()),
    }
}

/// The further parameters of the authorization request.
fn authorize_params(options: &ServerOptions) -> Result<Vec<(String, String)>, CommandError> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(CommandError::usage(
            "an `--authorize-param` value is not `name=value`",
        )),
    };
    options.authorize_param.iter().map(pair).collect()
}

fn url(text: Option<&String>) -> Result<Option<Url>, CommandError> {
    let parse = |text: &String| {
        Url::parse(text)
            .map_err(|error| CommandError::usage(format!("`{text}` is not a URL: {error}")))
    };
    text.map(parse).transpose()
}

fn client(
    options: &ServerOptions,
    environment: &Environment,
) -> Result<ClientSetting, CommandError> {
    let ClientCredentials { secret, key } = client_credentials::read(options, environment)?;
    let pre_registered = match &options.client_id {
        None => None,
        Some(id) => Some(
            PreRegisteredClient::new(ClientId::new(id))
                .with_secret(secret)
                .with_auth_method(
                    options
                        .token_endpoint_auth_method
                        .map(|method| method.as_str().to_owned().into()),
                )
                .with_issuer(match &options.client_issuer {
                    Some(text) => Some(of("client-issuer", Issuer::parse(text))?),
                    None => None,
                }),
        ),
    };
    Ok(ClientSetting::default()
        .with_pre_registered(pre_registered)
        .with_metadata_document(url(options.client_metadata_url.as_ref())?)
        .with_key(key))
}
