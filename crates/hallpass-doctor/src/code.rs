//! Everything that a diagnosis can find, each with a stable code.
//!
//! One table: the code, its severity, who is responsible, what to do, the specification, and an
//! explanation. `docs/troubleshooting.md` lists the same.

use hallpass_core::Remedy;
use serde::Serialize;

use crate::{ResponsibleParty, Severity};

macro_rules! codes {
    ($($name:ident $word:literal $severity:ident $party:ident $remedy:ident $spec:literal $explanation:literal)*) => {
        /// What was found. Codes don't change their meaning; new ones may come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[non_exhaustive]
        pub enum Code {
            $(
                #[doc = concat!("`", $word, "`: ", $explanation, ".")]
                #[serde(rename = $word)]
                $name,
            )*
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

codes! {
    // The network
    NameNotResolved "name-not-resolved" Fault Network Retry "RFC 3986 §3.2.2"
        "the host name can't be resolved here"
    NoConnection "no-connection" Fault Network Retry "RFC 9293 §3.5"
        "no server listens there, or something in between blocks the connection"
    NoAnswerInTime "no-answer-in-time" Fault Server Retry "RFC 9112 §9.5"
        "the connection is established, but the server does not answer in time"
    ConnectionBroke "connection-broke" Fault Server Retry "RFC 9112 §9.5"
        "the connection ended before the response was complete"
    ProxyRefuses "proxy-refuses" Fault Here Configure "RFC 9110 §15.5.8"
        "the proxy wants credentials, or rejects those it got"
    ProxyUnreachable "proxy-unreachable" Fault Here Configure "RFC 9110 §9.3.6"
        "the configured proxy can't be reached"
    ProxyDecides "proxy-decides" Note Network Configure "RFC 9110 §7.6"
        "with a proxy, the proxy resolves names, so the address policy here can't judge addresses"
    AuthorityUnknown "certificate-authority-unknown" Fault Here Configure "RFC 5280 §6.1"
        "the certificate's authority is not trusted here: it is private, or TLS is inspected on the way"
    CertificateExpired "certificate-expired" Fault Server Configure "RFC 5280 §4.1.2.5"
        "the server's certificate has expired"
    CertificateNotYetValid "certificate-not-yet-valid" Fault Here Configure "RFC 5280 §4.1.2.5"
        "the server's certificate is not valid yet, or the clock here is slow"
    CertificateForAnotherHost "certificate-for-another-host" Fault Server Configure "RFC 9525 §6"
        "the certificate is for other hosts than the one in the URL"
    CertificateRefused "certificate-refused" Fault Server Configure "RFC 5280 §6.1"
        "the certificate is rejected for another reason"
    CertificateEndsSoon "certificate-ends-soon" Warning Server Report "RFC 5280 §4.1.2.5"
        "the server's certificate expires within two weeks"
    PrivateAuthority "private-authority" Note Network Configure "RFC 5280 §6.1"
        "the certificate's authority was configured here: it is private, or TLS is inspected on the way"
    ClientCertificateWanted "client-certificate-wanted" Fault Here Configure "RFC 8446 §4.4.2.4"
        "the server wants a client certificate, or rejects the one it got"
    TlsNotSpoken "tls-not-spoken" Fault Here Configure "RFC 9110 §4.2.2"
        "the server at this port does not speak TLS"
    TlsFailed "tls-failed" Fault Network Configure "RFC 8446 §6.2"
        "the TLS handshake failed for another reason"
    NotHttp "not-http" Fault Server Report "RFC 9112 §2.1"
        "the answer is not HTTP; a TLS port answers so to http"
    AddressRefused "address-refused" Fault Server Configure "RFC 9728 §7.7"
        "metadata names an address in a network that the server itself is not in"
    RedirectRefused "redirect-refused" Fault Server Configure "RFC 9110 §15.4"
        "a redirect that Hallpass does not follow: to another origin, or from POST to GET"
    RequestRefused "request-refused" Fault Here Configure "RFC 9110 §5.5"
        "the request can't be sent as it is configured"
    ClockSkew "clock-skew" Warning Here Configure "RFC 9110 §6.6.1"
        "the clock here and the server's differ by more than a minute"

    // The endpoint
    NoChallenge "no-challenge" Warning Server Report "RFC 9110 §15.5.2"
        "a 401 without `WWW-Authenticate`"
    OtherSchemeOnly "other-scheme-only" Warning Server Configure "RFC 6750 §3"
        "a 401 that asks for other schemes than `Bearer` and `DPoP`, usually from a gateway"
    ChallengeWithoutMetadata "challenge-without-metadata" Note Server Report "RFC 9728 §5.1"
        "the challenge does not name the metadata, so the well-known URLs are requested"
    SeveralChallenges "several-challenges" Note Server Report "RFC 9110 §11.6.1"
        "there is more than one challenge"
    OpenServer "open-server" Note Server Report "MCP 2025-11-25, Authorization"
        "the server answers without a token"
    Forbidden "forbidden" Fault Server Configure "RFC 9110 §15.5.4"
        "a 403 that is not about scopes: a gateway refuses, or the account lacks permission"
    NotFound "not-found" Fault Here Configure "RFC 9110 §15.5.5"
        "there is no MCP endpoint at the URL"
    SseOnly "sse-only" Note Server Report "MCP 2024-11-05, HTTP with SSE"
        "the server speaks only the transport of MCP 2024-11-05"
    SseFails "sse-fails" Fault Server Report "MCP 2024-11-05, HTTP with SSE"
        "the server speaks the transport of MCP 2024-11-05, and takes or answers no message by it"
    NoStreamableHttp "no-streamable-http" Fault Server Configure "MCP 2025-11-25, Streamable HTTP"
        "the URL does not accept a POST with JSON"
    HtmlPage "html-page" Fault Server Configure "MCP 2025-11-25, Streamable HTTP"
        "the answer is a web page, usually a login page or a captive portal"
    WrongContentType "wrong-content-type" Fault Server Report "MCP 2025-11-25, Streamable HTTP"
        "the answer is neither JSON nor an event stream"
    TooManyRequests "too-many-requests" Fault Server Retry "RFC 6585 §4"
        "the server limits the rate of requests"
    ServerUnavailable "server-unavailable" Fault Server Retry "RFC 9110 §15.6"
        "the server, or a gateway before it, has a temporary fault"
    UnexpectedStatus "unexpected-status" Fault Server Report "RFC 9110 §15"
        "the server answered with a status that MCP does not define"

    // The metadata of the protected resource and of the authorization server
    NoOAuth "no-oauth" Fault Server Configure "RFC 9728 §3"
        "the server asks for no token and publishes no metadata"
    NoResourceMetadata "no-resource-metadata" Fault Server Configure "RFC 9728 §3"
        "there is no protected resource metadata at its well-known URLs"
    ResourceMismatch "resource-mismatch" Fault Server Configure "RFC 9728 §3.3"
        "the metadata's `resource` does not identify the server"
    ResourceSetting "resource-setting" Fault Here Configure "RFC 8707 §2"
        "the configured `resource` is neither the server's URL nor published by it"
    ResourceCoversMore "resource-covers-more" Note Server Report "RFC 8707 §2"
        "the published `resource` is more than this server: its tokens are also valid for others"
    ChallengeRefused "challenge-refused" Fault Server Configure "RFC 9728 §3, §7.3"
        "the challenge names metadata at a URL that is not requested, for example on another origin"
    MetadataElsewhere "metadata-elsewhere" Note Server Report "RFC 9728 §5.1"
        "the challenge names metadata on another origin, which is followed: its `resource` is the server's URL"
    NoAuthorizationServer "no-authorization-server" Fault Server Configure "RFC 9728 §2"
        "the metadata names no authorization server"
    IssuerNotListed "issuer-not-listed" Fault Here Configure "RFC 9728 §2"
        "the configured issuer is none of those that the server lists"
    SettingRefused "setting-refused" Fault Here Configure "RFC 9728 §3"
        "a setting that discovery needs is invalid"
    MetadataNotJson "metadata-not-json" Fault Server Configure "RFC 9728 §3.2, RFC 8414 §3.2"
        "a metadata document is not a JSON object, but for example a web page"
    MetadataInvalid "metadata-invalid" Fault Server Report "RFC 9728 §2, RFC 8414 §2"
        "a metadata document lacks a required member"
    MetadataTooLarge "metadata-too-large" Fault Server Report "RFC 9728 §3.2, RFC 8414 §3.2"
        "a metadata document exceeds the size limit"
    MetadataUnavailable "metadata-unavailable" Fault Server Retry "RFC 9110 §15"
        "the metadata is temporarily unavailable (429 or 5xx)"
    MetadataProvisional "metadata-provisional" Warning Server Retry "RFC 9728 §3, RFC 8414 §3"
        "a preferred URL of the metadata failed temporarily, and another one was used"
    OddMetadata "odd-metadata" Note Server Report "RFC 9728 §2, RFC 8414 §2"
        "members of a metadata document have another type or form than specified"
    LegacyDiscovery "legacy-discovery" Note Server Report "MCP 2025-03-26, Authorization"
        "the server is its own authorization server, as in MCP 2025-03-26"
    NoServerMetadata "no-server-metadata" Fault AuthorizationServer Configure "RFC 8414 §3"
        "there is no authorization server metadata at its well-known URLs"
    IssuerMismatch "issuer-mismatch" Fault AuthorizationServer Configure "RFC 8414 §3.3"
        "the metadata names another issuer than the one that its URL was built from"
    EndpointRefused "endpoint-refused" Fault AuthorizationServer Configure "RFC 6749 §3.1, §3.2"
        "the metadata names an endpoint that no request may go to, for example one without https"
    NoAuthorizationEndpoint "no-authorization-endpoint" Fault AuthorizationServer Configure "RFC 6749 §3.1"
        "the authorization server has no endpoint where a user can sign in"
    PkceNotAdvertised "pkce-not-advertised" Fault AuthorizationServer Configure "RFC 8414 §2, MCP 2025-11-25, Authorization"
        "the metadata does not list PKCE, which MCP requires"
    PkceWithoutS256 "pkce-without-s256" Fault AuthorizationServer Configure "RFC 7636 §4.2"
        "the metadata lists PKCE methods, but not S256"
    IssNotPromised "iss-not-promised" Note AuthorizationServer Report "RFC 9207 §3"
        "the metadata does not promise `iss` in callbacks, which prevents mix-up attacks"
    NoRefreshGrant "no-refresh-grant" Note AuthorizationServer Report "RFC 8414 §2"
        "the metadata does not list refresh tokens: the user may have to sign in whenever an access token expires"
    NoRevocation "no-revocation-endpoint" Note AuthorizationServer Report "RFC 8414 §2, RFC 7009 §2"
        "tokens can't be revoked: `logout` deletes them here, and they stay valid until they expire"
    DpopOffered "dpop-offered" Note AuthorizationServer Configure "RFC 9449 §5.1"
        "the authorization server can bind tokens to a key, and nothing demands it"
    NoScope "no-scope" Note AuthorizationServer Configure "RFC 6749 §3.3, OpenID Connect Core §3.1.2.1"
        "no scope is requested, which an OpenID provider may refuse"
    ScopeNotKnown "scope-not-known" Note AuthorizationServer Configure "RFC 6749 §3.3"
        "requested scopes are not among those that the authorization server lists"
    TokenEndpointFails "token-endpoint-fails" Fault AuthorizationServer Configure "RFC 6749 §3.2"
        "the token endpoint does not answer as one: a sign-in fails there, and so does a refresh"
    DpopDemanded "dpop-demanded" Note AuthorizationServer Configure "RFC 9449 §5, §8"
        "the token endpoint demands a proof of possession, and a sign-in sends one after it is refused once"
    DpopImpossible "dpop-impossible" Fault AuthorizationServer Configure "RFC 9449 §5.1"
        "tokens have to be bound to a key, and the authorization server lists no algorithm that Hallpass has"
    ClientNotAccepted "client-not-accepted" Fault Here Configure "RFC 6749 §5.2"
        "the token endpoint refuses the configured client, which has neither a secret nor a key"
    ClientSecretRefused "client-secret-refused" Fault Here Configure "RFC 6749 §5.2"
        "the token endpoint refused the configured client or its secret at the last sign-in"
    AuthorizationRefused "authorization-refused" Fault AuthorizationServer Configure "RFC 6749 §4.1.2.1"
        "the authorization endpoint refuses the request of a sign-in before a user sees it"
    ConfirmationAsked "confirmation-asked" Warning AuthorizationServer Configure "RFC 9700 §4.4"
        "the sign-in page and the token endpoint may have different operators: a sign-in asks the user first, and is refused where no user can answer"
    ConsentAsked "consent-asked" Note Here Configure "OpenID Connect Core §11"
        "a sign-in asks for consent again, which a server may leave to its administrators"
    ClientAuthNotListed "client-authentication-not-listed" Note Here Configure "RFC 8414 §2"
        "the client authenticates in a way that the authorization server does not list"

    // The store, the client and the account
    StoreKey "store-key" Fault Here Configure "Hallpass, credential store"
        "the store's key is locked, missing or a different one"
    StoreDamaged "store-damaged" Fault Here Configure "Hallpass, credential store"
        "a file of the store is incomplete, altered or was not written by Hallpass"
    StoreNewer "store-newer" Fault Here Configure "Hallpass, credential store"
        "the store was written by a newer version"
    StoreNotPrivate "store-not-private" Fault Here Configure "Hallpass, credential store"
        "the store's folder or files belong to another user, or others can read them"
    StoreUnreadable "store-unreadable" Fault Here Configure "Hallpass, credential store"
        "the store can't be read"
    StoreNotKept "store-not-kept" Note Here Configure "Hallpass, credential store"
        "credentials are lost when this program ends"
    CredentialBusy "credential-busy" Note Here Retry "Hallpass, locks"
        "another process holds the account's lock, for example during a refresh"
    SignInUnderWay "sign-in-under-way" Note Here Retry "Hallpass, locks"
        "another process waits for the user to sign in"
    NoRegistration "no-registration" Fault AuthorizationServer Configure "RFC 7591 §3"
        "the authorization server does not register clients, and no client is configured"
    ClientUnusable "client-unusable" Fault Here Configure "RFC 6749 §2"
        "the configured client can't be used with this authorization server"
    ClientSecretExpired "client-secret-expired" Warning Here SignIn "RFC 7591 §3.2.1"
        "the secret of the registered client has expired; the next sign-in registers a new client"
    RegistrationOutdated "registration-outdated" Note Here SignIn "RFC 7591 §2"
        "the registration does not fit the settings any more; the next sign-in registers a new client"
    RegistrationForgotten "registration-forgotten" Warning AuthorizationServer SignIn "RFC 6749 §4.1.2.1"
        "the authorization server does not know the registered client any more; the next sign-in registers a new one"
    NotSignedIn "not-signed-in" Fault Here SignIn "RFC 6749 §4"
        "not signed in, or signed out"
    SignInRequired "sign-in-required" Fault Here SignIn "RFC 6749 §5.2"
        "the credentials have expired or were revoked, and the user has to sign in"
    SettingsChanged "settings-changed" Fault Here SignIn "Hallpass, credential store"
        "a setting that the credentials depend on has changed"
    IssuerChanged "issuer-changed" Fault Server SignIn "RFC 9728 §2"
        "the server names another authorization server now"
    ResourceChanged "resource-changed" Warning Server SignIn "RFC 8707 §2.2"
        "the token was requested with another `resource` than the server wants now"
    RefreshOutcomeUnknown "refresh-outcome-unknown" Warning Here SignIn "RFC 9700 §4.14.2"
        "a refresh was interrupted, and its refresh token may be used up"
    NoRefreshToken "no-refresh-token" Note AuthorizationServer SignIn "RFC 6749 §6"
        "there is no refresh token: the user has to sign in when the access token expires"

    // The token and what the server makes of it
    TokenEnded "token-ended" Note Here Retry "RFC 6749 §5.1"
        "the access token has expired; the next call refreshes it"
    RefreshFailed "refresh-failed" Fault AuthorizationServer Retry "RFC 6749 §6"
        "the token could not be refreshed this time; nothing is lost"
    DpopRequired "dpop-required" Fault Server SignIn "RFC 9449 §7.1"
        "the server wants tokens that are bound to a key (DPoP), and the stored token is not"
    AnotherAudience "token-for-another-audience" Fault AuthorizationServer SignIn "RFC 8707 §2.2, RFC 9068 §4"
        "the token names another server as its audience"
    FreshTokenRefused "fresh-token-refused" Fault Server Report "RFC 6750 §3.1"
        "the server rejects a token that was just issued; it would reject the next one, too"
    TokenRefused "token-refused" Fault Server SignIn "RFC 6750 §3.1"
        "the server rejects the token, although it has not expired"
    InsufficientScope "insufficient-scope" Fault Server SignIn "RFC 6750 §3.1"
        "the token lacks scopes that the server requires"
    McpError "mcp-error" Fault Server Report "MCP 2025-11-25, Lifecycle"
        "the server answers an MCP request with an error"
    McpUnreadable "mcp-unreadable" Fault Server Report "JSON-RPC 2.0 §5"
        "an answer is not a JSON-RPC message"
}
