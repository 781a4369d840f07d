//! Everything that a diagnosis can find, each with a stable code.
//!
//! One table: the code, its severity, who is responsible, what to do, the specification, and an
//! explanation. `docs/troubleshooting.md` lists the same.

use hallpass_core::Remedy;
use serde::{Serialize, Serializer};

use crate::{ResponsibleParty, Severity};

macro_rules! codes {
    ($($name:ident $word:literal $severity:ident $party:ident $remedy:ident $spec:literal $explanation:literal)*) => {
        /// What was found. Codes don't change their meaning; new ones may come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $word, "`: ", $explanation, ".")] $name,)*
        }

        impl Code {
            /// Every code, in the order of the steps that find them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as it stands in reports and in the documentation.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What it means, in a sentence.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)* }
            }

            /// The specification: an RFC and its section, or a part of MCP.
            pub fn spec(self) -> &'static str {
                match self { $(Self::$name => $spec,)* }
            }

            /// The severity, unless the finding has another one.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// Who is responsible, unless the finding has another party.
            pub fn party(self) -> ResponsibleParty {
                match self { $(Self::$name => ResponsibleParty::$party,)* }
            }

            /// The remedy, unless the finding has another one.
            pub fn remedy(self) -> Remedy {
                match self { $(Self::$name => Remedy::$remedy,)* }
            }
        }
    };
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

codes! {
    // The network
    NameNotResolved "name-not-resolved" Fault Network Retry "RFC 3986 §3.2.2"
        "the host's name does not resolve here"
    NoConnection "no-connection" Fault Network Retry "RFC 9293 §3.5"
        "nothing listens there, or something on the way lets nothing through"
    NoAnswerInTime "no-answer-in-time" Fault Server Retry "RFC 9112 §9.5"
        "a connection stands, and the answer does not come in time"
    ConnectionBroke "connection-broke" Fault Server Retry "RFC 9112 §9.5"
        "the connection ended before the answer did"
    ProxyRefuses "proxy-refuses" Fault Here Configure "RFC 9110 §15.5.8"
        "the proxy wants credentials, or other ones"
    ProxyUnreachable "proxy-unreachable" Fault Here Configure "RFC 9110 §9.3.6"
        "there is no connection through the configured proxy"
    ProxyDecides "proxy-decides" Note Network Configure "RFC 9110 §7.6"
        "behind a proxy it is the proxy, and not the address policy here, that decides where names lead"
    AuthorityUnknown "certificate-authority-unknown" Fault Here Configure "RFC 5280 §6.1"
        "the certificate leads to an authority that is not trusted here: a private one, or TLS is inspected on the way"
    CertificateExpired "certificate-expired" Fault Server Configure "RFC 5280 §4.1.2.5"
        "the server's certificate has ended"
    CertificateNotYetValid "certificate-not-yet-valid" Fault Here Configure "RFC 5280 §4.1.2.5"
        "the server's certificate is not valid yet, or the clock here is behind"
    CertificateForAnotherHost "certificate-for-another-host" Fault Server Configure "RFC 9525 §6"
        "the certificate is for other hosts than the one in the URL"
    CertificateRefused "certificate-refused" Fault Server Configure "RFC 5280 §6.1"
        "the certificate is refused for another reason"
    CertificateEndsSoon "certificate-ends-soon" Warning Server Report "RFC 5280 §4.1.2.5"
        "the server's certificate ends within two weeks"
    PrivateAuthority "private-authority" Note Network Configure "RFC 5280 §6.1"
        "the certificate was accepted by an authority that was added by hand: a private one, or TLS is inspected on the way"
    ClientCertificateWanted "client-certificate-wanted" Fault Here Configure "RFC 8446 §4.4.2.4"
        "the server wants a certificate of the client, or another one"
    TlsNotSpoken "tls-not-spoken" Fault Here Configure "RFC 9110 §4.2.2"
        "what listens there does not speak TLS"
    TlsFailed "tls-failed" Fault Network Configure "RFC 8446 §6.2"
        "the TLS handshake failed for another reason"
    NotHttp "not-http" Fault Server Report "RFC 9112 §2.1"
        "the answer is not HTTP; a TLS port asked by http answers so"
    AddressRefused "address-refused" Fault Server Configure "RFC 9728 §7.7"
        "metadata names an address in a network that the server itself is not in"
    RedirectRefused "redirect-refused" Fault Server Configure "RFC 9110 §15.4"
        "a redirect that is not followed: to another origin, or one that turns a POST into a GET"
    RequestRefused "request-refused" Fault Here Configure "RFC 9110 §5.5"
        "the request can't be sent as it is configured"
    ClockSkew "clock-skew" Warning Here Configure "RFC 9110 §6.6.1"
        "the clock here and the server's differ by more than a minute"

    // The endpoint
    NoChallenge "no-challenge" Warning Server Report "RFC 9110 §15.5.2"
        "a 401 without `WWW-Authenticate`"
    OtherSchemeOnly "other-scheme-only" Warning Server Configure "RFC 6750 §3"
        "a 401 that asks for other schemes than `Bearer` and `DPoP`: a gateway, mostly"
    ChallengeWithoutMetadata "challenge-without-metadata" Note Server Report "RFC 9728 §5.1"
        "the challenge does not say where the metadata is, so it is looked for at the well-known URLs"
    SeveralChallenges "several-challenges" Note Server Report "RFC 9110 §11.6.1"
        "there is more than one challenge"
    OpenServer "open-server" Note Server Report "MCP 2025-11-25, Authorization"
        "the server answers without a token"
    Forbidden "forbidden" Fault Server Configure "RFC 9110 §15.5.4"
        "a 403 that is no matter of scopes: a gateway, or the account may not do it"
    NotFound "not-found" Fault Here Configure "RFC 9110 §15.5.5"
        "the URL leads to no MCP endpoint"
    SseOnly "sse-only" Fault Server Report "MCP 2024-11-05, HTTP with SSE"
        "the server speaks the transport of MCP 2024-11-05 alone"
    NoStreamableHttp "no-streamable-http" Fault Server Configure "MCP 2025-11-25, Streamable HTTP"
        "the URL takes no POST with JSON"
    HtmlPage "html-page" Fault Server Configure "MCP 2025-11-25, Streamable HTTP"
        "a web page in the place of an answer: a login page or a portal, mostly"
    WrongContentType "wrong-content-type" Fault Server Report "MCP 2025-11-25, Streamable HTTP"
        "the answer is neither JSON nor an event stream"
    TooManyRequests "too-many-requests" Fault Server Retry "RFC 6585 §4"
        "the server asks for patience"
    ServerUnavailable "server-unavailable" Fault Server Retry "RFC 9110 §15.6"
        "the server, or something before it, has a fault of its own"
    UnexpectedStatus "unexpected-status" Fault Server Report "RFC 9110 §15"
        "a status that means nothing here"

    // The metadata of the protected resource and of the authorization server
    NoOAuth "no-oauth" Fault Server Configure "RFC 9728 §3"
        "nothing asks for a token, and there is no metadata"
    NoResourceMetadata "no-resource-metadata" Fault Server Configure "RFC 9728 §3"
        "there is no protected resource metadata where it should be"
    ResourceMismatch "resource-mismatch" Fault Server Configure "RFC 9728 §3.3"
        "the metadata's `resource` does not identify the server"
    ResourceSetting "resource-setting" Fault Here Configure "RFC 8707 §2"
        "the configured `resource` is neither the server's URL nor published by it"
    ResourceCoversMore "resource-covers-more" Note Server Report "RFC 8707 §2"
        "the published `resource` is more than this server: its tokens are good for others too"
    ChallengeRefused "challenge-refused" Fault Server Configure "RFC 9728 §3, §7.3"
        "the challenge names metadata at a URL that is not asked, as on another origin"
    NoAuthorizationServer "no-authorization-server" Fault Server Configure "RFC 9728 §2"
        "the metadata names no authorization server"
    IssuerNotListed "issuer-not-listed" Fault Here Configure "RFC 9728 §2"
        "the configured issuer is none of those that the server names"
    SettingRefused "setting-refused" Fault Here Configure "RFC 9728 §3"
        "a setting that discovery needs can't be used as it is"
    MetadataNotJson "metadata-not-json" Fault Server Configure "RFC 9728 §3.2, RFC 8414 §3.2"
        "a metadata document is something else than a JSON object: a web page, mostly"
    MetadataInvalid "metadata-invalid" Fault Server Report "RFC 9728 §2, RFC 8414 §2"
        "a metadata document lacks what every such document has"
    MetadataTooLarge "metadata-too-large" Fault Server Report "RFC 9728 §3.2, RFC 8414 §3.2"
        "a metadata document is larger than is read"
    MetadataUnavailable "metadata-unavailable" Fault Server Retry "RFC 9110 §15"
        "the metadata is not available now (429 or 5xx)"
    MetadataProvisional "metadata-provisional" Warning Server Retry "RFC 9728 §3, RFC 8414 §3"
        "a better URL for the metadata failed for now and was not used"
    OddMetadata "odd-metadata" Note Server Report "RFC 9728 §2, RFC 8414 §2"
        "members of a metadata document are written in another way than they should be"
    LegacyDiscovery "legacy-discovery" Note Server Report "MCP 2025-03-26, Authorization"
        "the server is its own authorization server, as in MCP 2025-03-26"
    NoServerMetadata "no-server-metadata" Fault AuthorizationServer Configure "RFC 8414 §3"
        "there is no authorization server metadata where it should be"
    IssuerMismatch "issuer-mismatch" Fault AuthorizationServer Configure "RFC 8414 §3.3"
        "the metadata claims another issuer than the one it was looked for under"
    EndpointRefused "endpoint-refused" Fault AuthorizationServer Report "RFC 6749 §3.1, §3.2"
        "an endpoint that no request may go to, as one without https"
    NoAuthorizationEndpoint "no-authorization-endpoint" Fault AuthorizationServer Configure "RFC 6749 §3.1"
        "there is nowhere for a person to sign in"
    PkceNotAdvertised "pkce-not-advertised" Fault AuthorizationServer Configure "RFC 8414 §2, MCP 2025-11-25, Authorization"
        "the metadata does not say that PKCE is supported, which MCP demands"
    PkceWithoutS256 "pkce-without-s256" Fault AuthorizationServer Configure "RFC 7636 §4.2"
        "PKCE is supported, and its method S256 is not among those that are listed"
    IssNotPromised "iss-not-promised" Note AuthorizationServer Report "RFC 9207 §3"
        "the metadata does not promise `iss` in callbacks, which tells authorization servers apart"
    NoRefreshGrant "no-refresh-grant" Note AuthorizationServer Report "RFC 8414 §2"
        "refresh tokens are not among the listed grants: a sign-in may be needed whenever a token ends"
    NoRevocation "no-revocation-endpoint" Note AuthorizationServer Report "RFC 8414 §2, RFC 7009 §2"
        "tokens can't be revoked: signing out forgets them here, and they end in their own time"
    ScopeNotKnown "scope-not-known" Warning AuthorizationServer Configure "RFC 6749 §3.3"
        "scopes are asked for that the authorization server does not list"

    // The store, the client and the account
    StoreKey "store-key" Fault Here Configure "Hallpass, credential store"
        "the key that opens the store is locked, absent or another one"
    StoreDamaged "store-damaged" Fault Here Configure "Hallpass, credential store"
        "a file of the store is torn, altered or not ours"
    StoreNewer "store-newer" Fault Here Configure "Hallpass, credential store"
        "the store was written by a newer version"
    StoreNotPrivate "store-not-private" Fault Here Configure "Hallpass, credential store"
        "the store's folder or files belong to another user, or others can read them"
    StoreUnreadable "store-unreadable" Fault Here Configure "Hallpass, credential store"
        "the store can't be read"
    StoreNotKept "store-not-kept" Note Here Configure "Hallpass, credential store"
        "nothing is kept beyond this program"
    CredentialBusy "credential-busy" Note Here Retry "Hallpass, locks"
        "another process holds the account's lock, as while it refreshes"
    SignInUnderWay "sign-in-under-way" Note Here Retry "Hallpass, locks"
        "another process is asking a person to sign in"
    NoRegistration "no-registration" Fault AuthorizationServer Configure "RFC 7591 §3"
        "the authorization server registers no clients, and none is configured"
    ClientUnusable "client-unusable" Fault Here Configure "RFC 6749 §2"
        "the configured client can't be used with this authorization server"
    ClientSecretExpired "client-secret-expired" Warning Here SignIn "RFC 7591 §3.2.1"
        "the secret of the registered client has expired: the next sign-in registers again"
    RegistrationOutdated "registration-outdated" Note Here SignIn "RFC 7591 §2"
        "the registration no longer fits the settings: the next sign-in registers again"
    RegistrationForgotten "registration-forgotten" Warning AuthorizationServer SignIn "RFC 6749 §4.1.2.1"
        "the authorization server no longer knows the registered client: the next sign-in registers again"
    NotSignedIn "not-signed-in" Fault Here SignIn "RFC 6749 §4"
        "not signed in, or signed out"
    SignInRequired "sign-in-required" Fault Here SignIn "RFC 6749 §5.2"
        "the credentials have ended, and the user has to sign in"
    SettingsChanged "settings-changed" Fault Here SignIn "Hallpass, credential store"
        "a setting that the credentials depend on has changed"
    IssuerChanged "issuer-changed" Fault Server SignIn "RFC 9728 §2"
        "another authorization server protects the server now"
    ResourceChanged "resource-changed" Warning Server SignIn "RFC 8707 §2.2"
        "the token was asked for with another `resource` than the server wants now"
    RefreshOutcomeUnknown "refresh-outcome-unknown" Warning Here SignIn "RFC 9700 §4.14.2"
        "a refresh was interrupted: its refresh token may be used up"
    NoRefreshToken "no-refresh-token" Note AuthorizationServer SignIn "RFC 6749 §6"
        "there is no refresh token: a sign-in is needed when the token ends"

    // The token and what the server makes of it
    TokenEnded "token-ended" Note Here Retry "RFC 6749 §5.1"
        "the access token has ended; the next call renews it"
    RefreshFailed "refresh-failed" Fault AuthorizationServer Retry "RFC 6749 §6"
        "the token could not be refreshed this time, and nothing is lost"
    DpopRequired "dpop-required" Fault Server SignIn "RFC 9449 §7.1"
        "the server takes tokens that are bound to a key, and the one that is kept is not"
    AnotherAudience "token-for-another-audience" Fault AuthorizationServer SignIn "RFC 8707 §2.2, RFC 9068 §4"
        "the token says itself that it is for another server"
    FreshTokenRefused "fresh-token-refused" Fault Server Report "RFC 6750 §3.1"
        "the server refuses a token that was issued just now: another one would be refused too"
    TokenRefused "token-refused" Fault Server SignIn "RFC 6750 §3.1"
        "the server refuses the token, although it has not ended"
    InsufficientScope "insufficient-scope" Fault Server SignIn "RFC 6750 §3.1"
        "the token lacks scopes that the server wants"
    McpError "mcp-error" Fault Server Report "MCP 2025-11-25, Lifecycle"
        "the server answers an MCP request with an error"
    McpUnreadable "mcp-unreadable" Fault Server Report "JSON-RPC 2.0 §5"
        "an answer is no JSON-RPC message"
}
