//! From a server's options and the environment to the configuration of the HTTP client.

use std::path::Path;

use hallpass::{
    Diagnostic as _, ServerUrl,
    http_client::{
        CaBundle, ClientIdentity, HttpConfig, Origin, OriginHeaders, Proxy, ProxyConfig,
        ProxyError, Trust,
    },
};

use crate::{environment::Environment, exit::CommandError, server_options::ServerOptions, trusted};

/// The server's own options over what the environment says.
pub(crate) fn http(
    server: &ServerUrl,
    options: &ServerOptions,
    environment: &Environment,
) -> Result<HttpConfig, CommandError> {
    let named = environment.get("HALLPASS_CA_CERTIFICATE").map(Path::new);
    let named = named.filter(|path| !path.as_os_str().is_empty());
    let trust = match options.ca_certificate.as_deref().or(named) {
        Some(file) => Trust::PlatformPlus(authorities(file)?),
        None => Trust::from_environment_values(|name| environment.get(name).map(Into::into))
            .map_err(CommandError::usage)?,
    };
    let client_identity = match &options.client_certificate {
        None => None,
        Some(chain) => {
            let key = options.client_certificate_key.as_ref().unwrap_or(chain);
            Some(ClientIdentity::from_files(chain, key).map_err(CommandError::usage)?)
        }
    };
    Ok(HttpConfig::default()
        .with_trust(trust)
        .with_client_identity(client_identity)
        .with_proxy(proxy(options, environment)?)
        .with_headers(
            options
                .header
                .iter()
                .map(|header| origin_header(header, server, environment))
                .collect::<Result<_, _>>()?,
        ))
}

/// What is judged is what is read: another user may exchange the file in between.
fn authorities(file: &Path) -> Result<CaBundle, CommandError> {
    let what = "the file of certificate authorities";
    let Some(pem) = trusted::read_bytes(file, what)? else {
        let file = file.display();
        return Err(CommandError::usage(format!("{what} {file} is not there")));
    };
    CaBundle::from_pem_of(pem, file).map_err(CommandError::usage)
}

fn proxy(options: &ServerOptions, environment: &Environment) -> Result<ProxyConfig, CommandError> {
    match options.proxy.as_deref() {
        None => {
            let value_of = |name: &str| environment.get(name).map(str::to_owned);
            ProxyConfig::from_environment_values(value_of).map_err(not_a_proxy)
        }
        Some("none") => Ok(ProxyConfig::default()),
        Some(text) => {
            let proxy = Proxy::parse(&expand(text, environment)?);
            Ok(ProxyConfig::all(proxy.map_err(not_a_proxy)?))
        }
    }
}

fn not_a_proxy(error: ProxyError) -> CommandError {
    let hints = error.hints();
    let failed = CommandError::usage(error);
    hints.into_iter().fold(failed, CommandError::hint)
}

/// Reads `[ORIGIN ]Name: value`; without an origin it is the server's own.
fn origin_header(
    text: &str,
    server: &ServerUrl,
    environment: &Environment,
) -> Result<OriginHeaders, CommandError> {
    let form = "expected 'Name: value' or 'https://origin.example Name: value'";
    let (origin, header) = match text.split_once(' ') {
        Some((origin, header)) if origin.contains("://") => (
            Some(Origin::parse(origin).map_err(|error| CommandError::usage(error).hint(form))?),
            header,
        ),
        _ => (Origin::from_url(server.url()), text),
    };
    let (Some(origin), Some((name, value))) = (origin, header.split_once(':')) else {
        // Not repeated: what was typed may be a secret.
        return Err(CommandError::usage("a `--header` value is not a header").hint(form));
    };
    let name = http::HeaderName::try_from(name.trim()).map_err(CommandError::usage)?;
    let value = expand(value.trim(), environment)?;
    let mut value = http::HeaderValue::try_from(value).map_err(CommandError::usage)?;
    value.set_sensitive(true);
    Ok(OriginHeaders {
        origin,
        headers: [(name, value)].into_iter().collect(),
    })
}

/// Puts environment variables in place of `${NAME}`.
fn expand(text: &str, environment: &Environment) -> Result<String, CommandError> {
    let Some((before, rest)) = text.split_once("${") else {
        return Ok(text.to_owned());
    };
    let Some((name, after)) = rest.split_once('}') else {
        return Err(CommandError::usage("a `${` in an option has no `}`"));
    };
    let value = environment.required(name)?;
    Ok(format!("{before}{value}{}", expand(after, environment)?))
}
