//! Advice for error codes that a setting of Hallpass can fix.

/// What the user can do about an error code or its description.
pub(crate) fn for_code(code: Option<&str>, description: Option<&str>) -> Option<String> {
    let entra = |number| description.is_some_and(|text| text.contains(number));
    // Entra ID says AADSTS9010010 (with `invalid_target` or without) when `resource` and `scope` do
    // not fit together.
    if code == Some("invalid_target") || entra("AADSTS9010010") {
        return Some(
            "the server does not accept the resource that the token was asked for: set `resource` \
             to the one it knows, or `resource = \"none\"` to leave the parameter out"
                .to_owned(),
        );
    }
    let hint = match code? {
        "invalid_client" => {
            "the server does not know this client, or refuses its authentication: check the client's \
             id, secret and authentication method, or register it again"
        }
        "unauthorized_client" | "unsupported_grant_type" => {
            "the client is not registered for this grant"
        }
        "invalid_scope" => "set `scopes` to what the server knows",
        "invalid_dpop_proof" => "check the clock of this machine: a proof is valid for minutes",
        _ => return None,
    };
    Some(hint.to_owned())
}
