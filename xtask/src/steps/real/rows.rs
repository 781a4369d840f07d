//! The rows of the matrix: a server, its variant, and what takes the user's part.

/// A server of another project: its name and version, and the script that starts it.
type Server = (&'static str, &'static str);

const BETTER_AUTH: Server = ("better-auth 1.7.5", "better-auth.mjs");
const CLOUDFLARE: Server = ("workers-oauth 1.2.3", "cloudflare.mjs");
const DJANGO: Server = ("django-oauth-toolkit 3.4.1", "django_server.py");
const FASTMCP: Server = ("fastmcp 4.1.2", "fastmcp_server.py");
const GLEWLWYD: Server = ("glewlwyd 2.7.5", "glewlwyd.mjs");
const OIDC_PROVIDER: Server = ("oidc-provider 9.13.3", "oidc-provider.mjs");
const TYPESCRIPT_SDK: Server = ("typescript-sdk 1.32.2", "sdk.mjs");

/// What goes through the login pages.
pub(super) type User = &'static str;

/// A script that keeps cookies and fills in forms.
const SCRIPT: User = "script";
/// Headless Chromium.
pub(super) const CHROMIUM: User = "chromium";
/// A script on another device, with a code (RFC 8628).
pub(super) const DEVICE: User = "device";

#[derive(Debug)]
pub(super) struct Row {
    pub(super) server: Server,
    /// The argument of the script.
    pub(super) variant: &'static str,
    pub(super) user: User,
}

impl Row {
    pub(super) fn name(&self) -> String {
        format!("{} {} {}", self.server.0, self.variant, self.user)
    }
}

const fn row(server: Server, variant: &'static str, user: User) -> Row {
    Row {
        server,
        variant,
        user,
    }
}

/// The row that waits longest for the end of a token is the first.
pub(super) const ROWS: &[Row] = &[
    row(CLOUDFLARE, "registered", SCRIPT),
    row(OIDC_PROVIDER, "public", SCRIPT),
    row(OIDC_PROVIDER, "public", CHROMIUM),
    row(OIDC_PROVIDER, "post", SCRIPT),
    row(OIDC_PROVIDER, "basic", SCRIPT),
    row(OIDC_PROVIDER, "static", SCRIPT),
    row(OIDC_PROVIDER, "metadata-document", SCRIPT),
    row(OIDC_PROVIDER, "pushed", SCRIPT),
    row(OIDC_PROVIDER, "device", DEVICE),
    row(OIDC_PROVIDER, "path-issuer", SCRIPT),
    row(OIDC_PROVIDER, "oidc-only", SCRIPT),
    row(OIDC_PROVIDER, "no-scopes", SCRIPT),
    row(OIDC_PROVIDER, "dpop", SCRIPT),
    row(OIDC_PROVIDER, "offline", SCRIPT),
    row(FASTMCP, "in-memory", SCRIPT),
    row(FASTMCP, "remote", SCRIPT),
    row(FASTMCP, "proxy", SCRIPT),
    row(FASTMCP, "proxy", CHROMIUM),
    row(DJANGO, "good", SCRIPT),
    row(DJANGO, "good", CHROMIUM),
    row(DJANGO, "no-iss", SCRIPT),
    row(DJANGO, "wrong-iss", SCRIPT),
    row(BETTER_AUTH, "strict", SCRIPT),
    row(BETTER_AUTH, "strict", CHROMIUM),
    row(BETTER_AUTH, "grace", SCRIPT),
    row(BETTER_AUTH, "dpop", SCRIPT),
    row(GLEWLWYD, "registered", SCRIPT),
    row(GLEWLWYD, "static", SCRIPT),
    row(GLEWLWYD, "pushed", SCRIPT),
    row(GLEWLWYD, "device", DEVICE),
    row(GLEWLWYD, "dpop", SCRIPT),
    row(TYPESCRIPT_SDK, "registered", SCRIPT),
];
