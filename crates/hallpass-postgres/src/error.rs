//! Errors of the database, with what to do about each.
//!
//! A server's message is foreign text, and its details can repeat the values of a row. So an error keeps the
//! class, the SQLSTATE and the message of one line, and none of the details.

use std::{error::Error, fmt, io};

use deadpool_postgres::{PoolError, TimeoutType};
use hallpass_core::{
    BoxError, Remedy, sanitize_line,
    store::{StoreError, StoreErrorKind},
};
use rustls::{AlertDescription, CertificateError};
use tokio_postgres::error::{DbError, SqlState};

/// What the server said.
#[derive(Debug)]
struct ServerMessage {
    state: String,
    message: String,
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL says: {} (SQLSTATE {})",
            self.message, self.state
        )
    }
}

impl Error for ServerMessage {}

/// An error of the pool while `doing` something.
pub(crate) fn pool(doing: &str, location: &str, error: PoolError) -> StoreError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            let what = format!("{doing}: no connection to {location} became free in time");
            StoreError::new(StoreErrorKind::Busy, what)
                .with_hint("raise the size of the pool, if this goes on")
        }
        PoolError::Timeout(_) => timeout(doing, location),
        PoolError::Backend(error) => statement(doing, location, error),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            StoreError::new(
                StoreErrorKind::Unavailable,
                format!("{doing}: the store is closed"),
            )
        }
    }
}

/// A statement that did not end in time. Its outcome is not known.
pub(crate) fn timeout(doing: &str, location: &str) -> StoreError {
    let what = format!("{doing}: {location} did not answer in time");
    StoreError::new(StoreErrorKind::Unavailable, what)
        .with_hint("check the load of the database and the network to it")
}

/// An error of a statement or a connection while `doing` something.
pub(crate) fn statement(doing: &str, location: &str, error: tokio_postgres::Error) -> StoreError {
    let advice = match error.as_db_error() {
        Some(error) => server_advice(error),
        None => connection_advice(&error),
    };
    let what = format!("{doing}: {} {location}", advice.what);
    let source: BoxError = match error.as_db_error() {
        Some(error) => Box::new(ServerMessage {
            state: error.code().code().to_owned(),
            message: sanitize_line(error.message()),
        }),
        // A connection's error is of this machine: of the socket, of TLS or of the driver.
        None => error.into(),
    };
    StoreError::new(StoreErrorKind::Unavailable, what)
        .with_remedy(advice.remedy)
        .with_hints(advice.hint)
        .with_source(source)
}

struct Advice {
    remedy: Remedy,
    what: &'static str,
    hint: Option<&'static str>,
}

const fn retry(what: &'static str, hint: &'static str) -> Advice {
    Advice {
        remedy: Remedy::Retry,
        what,
        hint: Some(hint),
    }
}

const fn configure(what: &'static str, hint: &'static str) -> Advice {
    Advice {
        remedy: Remedy::Configure,
        what,
        hint: Some(hint),
    }
}

fn server_advice(error: &DbError) -> Advice {
    let state = error.code();
    if *state == SqlState::INVALID_PASSWORD {
        return configure(
            "the user's name or the password is refused by",
            "correct the user and the password of the database's URL",
        );
    }
    if *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return configure(
            "the user, its certificate or its address is refused by",
            "check the role, its right to log in, the client certificate, and the server's pg_hba.conf",
        );
    }
    if *state == SqlState::INVALID_CATALOG_NAME {
        return configure(
            "there is not",
            "create the database, or correct its name in the URL",
        );
    }
    if is_unknown_schema(error) {
        return configure(
            "Hallpass's tables are missing in",
            "migrate the database (`migrate`), or correct its name in the URL",
        );
    }
    if *state == SqlState::INSUFFICIENT_PRIVILEGE {
        return configure(
            "the role has not the rights that it needs in",
            "migrate the database with the name of this role, which grants them",
        );
    }
    if *state == SqlState::UNDEFINED_OBJECT {
        return configure(
            "a role is missing in",
            "create the role of the replicas first (CREATE ROLE … LOGIN), or correct its name",
        );
    }
    if *state == SqlState::READ_ONLY_SQL_TRANSACTION {
        return retry(
            "no change is accepted by",
            "connect to the primary: this server is a standby, or set to read-only",
        );
    }
    match &state.code()[..2] {
        "53" => retry(
            "there are not enough resources at",
            "check the disk, the memory and max_connections of the server",
        ),
        "57" | "58" | "XX" => retry("the work was ended by", "check the server's log"),
        "23" => retry("another change was made at the same time in", "try again"),
        "08" | "40" | "55" => retry(
            "the work was refused by",
            "check the server, or the proxy before it",
        ),
        _ => Advice {
            remedy: Remedy::Report,
            what: "a statement is not accepted by",
            hint: None,
        },
    }
}

fn connection_advice(error: &tokio_postgres::Error) -> Advice {
    if let Some(error) = cause::<rustls::Error>(error) {
        return tls_advice(error);
    }
    if let Some(error) = cause::<io::Error>(error) {
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => retry(
                "no connection to",
                "check that the server runs there, and the host and port of the URL",
            ),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => configure(
                "no connection to",
                "check the path of the server's socket, and its rights",
            ),
            _ => retry(
                "the connection failed to",
                "check the host of the URL, the network and the server",
            ),
        };
    }
    if error.is_closed() {
        return retry(
            "the connection was closed by",
            "check the server, or the proxy before it",
        );
    }
    configure(
        "no connection to",
        "check the URL: whether the server offers TLS, and how it authenticates users",
    )
}

fn tls_advice(error: &rustls::Error) -> Advice {
    let what = "TLS failed with";
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => configure(
            what,
            "the server's certificate has expired: renew it there, or set this machine's clock",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => configure(
            what,
            "the server's certificate is for another name: use a name of the certificate in the URL",
        ),
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => configure(
            what,
            "another certificate authority signed the server's certificate: set its CA certificates",
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            configure(what, "the client certificate has expired: set a new one")
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked,
        ) => configure(
            what,
            "the server asks for another client certificate: set one that it accepts",
        ),
        _ => configure(
            what,
            "check the certificates and the TLS versions of both sides",
        ),
    }
}

/// Whether the schema, or a table of it, is not there.
pub(crate) fn is_unknown_schema(error: &DbError) -> bool {
    [SqlState::INVALID_SCHEMA_NAME, SqlState::UNDEFINED_TABLE].contains(error.code())
}

/// The first cause of this type; an [`io::Error`] may hold it.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| cause(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
