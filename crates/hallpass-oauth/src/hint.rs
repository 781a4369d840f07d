//! Advice for error codes that a setting of Hallpass can fix.

use hallpass_core::Hint;

use Advice::{OtherResource, Setting, Text};

#[derive(Clone, Copy)]
enum Advice {
    Setting(&'static str, Option<&'static str>),
    /// Another resource than the server's own, which has to be allowed as well.
    OtherResource,
    Text(&'static str),
}

const RESOURCE: &[Advice] = &[
    Setting("resource", Some("none")),
    OtherResource,
    Text("the server has to know the resource that a token is requested for"),
];
const GRANT: &[Advice] = &[Text("the client is not registered for this grant")];

/// The codes of standards, which stand in `error`.
const STANDARD: &[(&str, &[Advice])] = &[
    ("invalid_target", RESOURCE),
    (
        "invalid_client",
        &[Text(
            "the server does not know this client, or refuses its authentication: check the client's \
             id, secret and authentication method, or register it again",
        )],
    ),
    ("unauthorized_client", GRANT),
    ("unsupported_grant_type", GRANT),
    ("invalid_scope", &[Setting("scopes", None)]),
    (
        "invalid_dpop_proof",
        &[Text(
            "check the clock of this machine: a proof is valid for minutes",
        )],
    ),
];

/// The codes of single providers, which stand in the description as a word of their own.
const PROVIDER: &[(&str, &[Advice])] = &[
    // Entra ID, with `invalid_target` or without: `resource` and `scope` do not fit together.
    ("AADSTS9010010", RESOURCE),
    // Entra ID: the endpoint takes no `resource`.
    (
        "AADSTS901002",
        &[
            Setting("resource", Some("none")),
            Text("the authorization server does not accept `resource`"),
        ],
    ),
    // Entra ID: client and resource are one application, and a refresh names no scope.
    (
        "AADSTS90009",
        &[
            Setting("refresh_scope", Some("true")),
            Text("the server wants the scopes named in a refresh"),
        ],
    ),
];

/// What the user can do about an error code or its description.
pub(crate) fn for_code(code: Option<&str>, description: Option<&str>) -> Vec<Hint> {
    let description = description.unwrap_or_default();
    let words = || description.split(|character: char| !character.is_ascii_alphanumeric());
    // Auth0 names an audience that it does not know, and knows no `resource`.
    if description.starts_with("Service not found") {
        return vec![
            Hint::setting("authorize_parameters", Some("audience=API-IDENTIFIER")),
            Hint::text(
                "the authorization server (Auth0) wants the identifier of its API as `audience`",
            ),
        ];
    }
    let provider = PROVIDER
        .iter()
        .find(|(it, _)| words().any(|word| word == *it));
    let standard = || STANDARD.iter().find(|(it, _)| code == Some(*it));
    let advice = provider
        .or_else(standard)
        .map_or(&[][..], |(_, advice)| advice);
    let hints = advice.iter().map(|advice| match *advice {
        Setting(name, value) => Hint::setting(name, value),
        OtherResource => Hint::other_resource(),
        Text(text) => Hint::text(text),
    });
    hints.collect()
}
