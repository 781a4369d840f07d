//! Which database, and how to connect to it.

use std::{fmt, net::IpAddr, str::FromStr as _, time::Duration};

use hallpass_core::{
    Remedy, quote,
    store::{StoreError, StoreErrorKind},
};
use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};

use crate::tls::Tls;

/// How many connections a replica has at most by default, without the one of its heartbeat.
const POOL_SIZE: usize = 4;

/// How long one statement may take by default, a connection for it included.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The options of libpq that name files, which a library does not read.
const FILE_OPTIONS: [(&str, &str); 4] = [
    ("sslrootcert", "with_ca_certificates"),
    ("sslcert", "with_client_certificate"),
    ("sslkey", "with_client_certificate"),
    ("passfile", "with_password"),
];

/// The options of libpq that are supported beside `sslmode`, `host` and `port`. What needs the state of a
/// session, as `options` does, is not.
const OPTIONS: [&str; 12] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "sslnegotiation",
    "tcp_user_timeout",
];

/// Which database, and how to connect to it.
///
/// A server that is not on this machine is connected to with TLS, and its certificate is verified in full
/// (`verify-full`), whatever stronger or weaker mode than `disable` the URL names.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    pub(crate) uses_tls: bool,
    pub(crate) pool_size: usize,
    pub(crate) statement_timeout: Duration,
    pub(crate) replica_name: String,
    pub(crate) durable_storage_elsewhere: bool,
}

impl PostgresOptions {
    /// Reads a connection URL: `postgresql://user:password@host:port/database?option=value`.
    ///
    /// # Errors
    ///
    /// When it is no such URL, or has an option that is not supported. The error shows nothing of the URL: it
    /// may hold a password, also where that is not expected.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let form = "use postgresql://USER:PASSWORD@HOST:PORT/DATABASE";
        if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
            return Err(
                invalid("the database's URL has another scheme than `postgresql`").with_hint(form),
            );
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let Some((_, instead)) = FILE_OPTIONS.iter().find(|(option, _)| *option == name) {
                let what =
                    format!("`{name}` names a file, which is not read from the database's URL");
                return Err(invalid(what).with_hint(format!(
                    "leave it out, and give the content of the file (`PostgresOptions::{instead}`)"
                )));
            }
            if name == "sslmode" {
                mode = Some(value);
            } else if name == "host" || name == "port" || OPTIONS.contains(&name) {
                rest.push(pair);
            } else {
                let what = "the database's URL has an option that is not supported";
                return Err(invalid(what)
                    .with_hint(format!(
                        "the options are sslmode, host, port, {}",
                        OPTIONS.join(", ")
                    ))
                    .with_hint(
                        "write `?` as %3F, `@` as %40, `/` as %2F in a user's name or a password",
                    ));
            }
        }
        let url = if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", rest.join("&"))
        };
        let mut config = Config::from_str(&url).map_err(|error| {
            // The cause names one of the options, or says what is wrong, and repeats no value.
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let what = match cause {
                Some(cause) => format!("the database's URL can't be read: {}", quote(&cause)),
                None => "the database's URL can't be read".to_owned(),
            };
            invalid(what).with_hint(form)
        })?;
        if config.get_hosts().is_empty() {
            return Err(invalid("the database's URL names no host").with_hint(form));
        }
        if config.get_user().is_none() {
            return Err(invalid("the database's URL names no user").with_hint(form));
        }
        let uses_tls = match mode {
            None => !config.get_hosts().iter().all(is_local),
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(_) => {
                return Err(invalid("the database's URL has another `sslmode` than `disable` and `verify-full`")
                    .with_hint("use sslmode=verify-full: a mode that goes on without TLS protects against no attacker"));
            }
        };
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(STATEMENT_TIMEOUT);
        }
        // Of several hosts, the one that accepts changes.
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config.ssl_mode(if uses_tls {
            SslMode::Require
        } else {
            SslMode::Disable
        });
        if config.get_application_name().is_none() {
            config.application_name("hallpass");
        }
        Ok(Self {
            config,
            tls: Tls::default(),
            uses_tls,
            pool_size: POOL_SIZE,
            statement_timeout: STATEMENT_TIMEOUT,
            replica_name: "hallpass".to_owned(),
            durable_storage_elsewhere: false,
        })
    }

    /// Sets the password, in place of the URL's.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// The certificate authorities of the database's certificate, in PEM.
    ///
    /// # Errors
    ///
    /// When there is no certificate in it, or one that can't be read.
    pub fn with_ca_certificates(mut self, pem: &[u8]) -> Result<Self, StoreError> {
        self.tls.add_authorities(pem)?;
        Ok(self)
    }

    /// The client's certificate with its chain and its private key, in PEM.
    ///
    /// # Errors
    ///
    /// When there is no certificate or no key in it, or one that can't be read.
    pub fn with_client_certificate(
        mut self,
        certificates: &[u8],
        key: &[u8],
    ) -> Result<Self, StoreError> {
        self.tls.set_client_certificate(certificates, key)?;
        Ok(self)
    }

    /// How many connections this replica has at most, which is 4. The heartbeat has one more.
    #[must_use]
    pub fn with_pool_size(mut self, size: usize) -> Self {
        self.pool_size = size.max(1);
        self
    }

    /// How long one statement may take, which is 10 seconds, the wait for a connection included.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// The name of this replica, for an operator: its host name or the name of its pod.
    #[must_use]
    pub fn with_replica_name(mut self, name: impl Into<String>) -> Self {
        self.replica_name = name.into();
        self
    }

    /// Accepts a server with `fsync = off`, whose storage is made durable by other means, such as by
    /// replication below the file system.
    #[must_use]
    pub fn with_durable_storage_elsewhere(mut self, elsewhere: bool) -> Self {
        self.durable_storage_elsewhere = elsewhere;
        self
    }

    /// The database and its hosts, for a user to read.
    pub(crate) fn describe(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(number, host)| {
                let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
                match host {
                    Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                    Host::Tcp(name) => format!("{name}:{port}"),
                    #[cfg(unix)]
                    Host::Unix(path) => format!("{} (port {port})", path.display()),
                }
            });
        let hosts: Vec<_> = hosts.collect();
        let database = self
            .config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or_default();
        format!(
            "the database `{}` at {}",
            quote(database),
            quote(&hosts.join(", "))
        )
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("database", &self.describe())
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

/// A host on this machine, where no network is between.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// An error of the configuration.
pub(crate) fn invalid(what: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, what).with_remedy(Remedy::Configure)
}

#[cfg(test)]
mod tests;
