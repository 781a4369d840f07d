//! Advice for error codes that a setting of Hallpass can fix.

use hallpass_core::Hint;

/// What the user can do about an error code or its description.
pub(crate) fn for_code(code: Option<&str>, description: Option<&str>) -> Vec<Hint> {
    let entra = |number| description.is_some_and(|text| text.contains(number));
    // Entra ID says AADSTS9010010 (with `invalid_target` or without) when `resource` and `scope` do
    // not fit together.
    if code == Some("invalid_target") || entra("AADSTS9010010") {
        return vec![
            Hint::setting("resource", None),
            Hint::setting("resource", Some("none")),
            Hint::text("the server has to know the resource that a token is requested for"),
        ];
    }
    // Entra ID says AADSTS90009 where client and resource are one application and a refresh names no
    // scope.
    if entra("AADSTS90009") && !entra("AADSTS900090") {
        return vec![
            Hint::setting("refresh_scope", Some("true")),
            Hint::text("the server wants the scopes named in a refresh"),
        ];
    }
    let text = match code.unwrap_or_default() {
        "invalid_client" => {
            "the server does not know this client, or refuses its authentication: check the client's \
             id, secret and authentication method, or register it again"
        }
        "unauthorized_client" | "unsupported_grant_type" => {
            "the client is not registered for this grant"
        }
        "invalid_scope" => return vec![Hint::setting("scopes", None)],
        "invalid_dpop_proof" => "check the clock of this machine: a proof is valid for minutes",
        _ => return Vec::new(),
    };
    vec![Hint::text(text)]
}
