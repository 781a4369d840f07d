//! Which servers, in which variants, and by which road a person comes through.

/// One row of the matrix.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) server: Server,
    /// What the script is told to be.
    pub(super) variant: &'static str,
    pub(super) person: Person,
}

/// A server of another project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    OidcProvider,
    FastMcp,
    Django,
    BetterAuth,
}

/// Who goes through the login pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Person {
    /// A script that keeps cookies and fills in forms.
    Script,
    /// Headless Chromium.
    Chromium,
    /// A script on another device, with a code (RFC 8628).
    Device,
}

impl Row {
    pub(super) fn name(&self) -> String {
        format!(
            "{} {} {}",
            self.server.name(),
            self.variant,
            self.person.name()
        )
    }
}

impl Server {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OidcProvider => "oidc-provider 9.13.3",
            Self::FastMcp => "fastmcp 4.1.2",
            Self::Django => "django-oauth-toolkit 3.4.1",
            Self::BetterAuth => "better-auth 1.7.5",
        }
    }

    /// The script that starts it.
    pub(super) fn script(self) -> &'static str {
        match self {
            Self::OidcProvider => "oidc-provider.mjs",
            Self::FastMcp => "fastmcp_server.py",
            Self::Django => "django_server.py",
            Self::BetterAuth => "better-auth.mjs",
        }
    }
}

impl Person {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Chromium => "chromium",
            Self::Device => "device",
        }
    }
}

const fn row(server: Server, variant: &'static str, person: Person) -> Row {
    Row {
        server,
        variant,
        person,
    }
}

/// The matrix.
pub(super) const ROWS: &[Row] = &[
    row(Server::OidcProvider, "public", Person::Script),
    row(Server::OidcProvider, "public", Person::Chromium),
    row(Server::OidcProvider, "post", Person::Script),
    row(Server::OidcProvider, "basic", Person::Script),
    row(Server::OidcProvider, "static", Person::Script),
    row(Server::OidcProvider, "metadata-document", Person::Script),
    row(Server::OidcProvider, "pushed", Person::Script),
    row(Server::OidcProvider, "device", Person::Device),
    row(Server::OidcProvider, "path-issuer", Person::Script),
    row(Server::OidcProvider, "oidc-only", Person::Script),
    row(Server::OidcProvider, "no-scopes", Person::Script),
    row(Server::OidcProvider, "dpop", Person::Script),
    row(Server::FastMcp, "in-memory", Person::Script),
    row(Server::FastMcp, "remote", Person::Script),
    row(Server::FastMcp, "proxy", Person::Script),
    row(Server::FastMcp, "proxy", Person::Chromium),
    row(Server::Django, "good", Person::Script),
    row(Server::Django, "good", Person::Chromium),
    row(Server::Django, "no-iss", Person::Script),
    row(Server::Django, "wrong-iss", Person::Script),
    row(Server::BetterAuth, "strict", Person::Script),
    row(Server::BetterAuth, "strict", Person::Chromium),
    row(Server::BetterAuth, "grace", Person::Script),
    row(Server::BetterAuth, "dpop", Person::Script),
];
