//! Reading `WWW-Authenticate` (RFC 9110 §11.6.1).

use hallpass_core::{AuthScheme, Challenge, Scopes};
use http::{HeaderMap, header::WWW_AUTHENTICATE};

mod grammar;

use grammar::HeaderChallenge;

/// The `Bearer` and `DPoP` challenges of a response, from all of its `WWW-Authenticate` headers in
/// the order they arrived.
///
/// A response is read as tolerantly as can be done without mixing up challenges: headers may be
/// several, a header may hold several challenges, parameters come in any order and case, unknown
/// ones are ignored, and of a repeated one the first counts. Challenges of other schemes are
/// left out, and nothing in them is taken for a parameter of ours.
///
/// A 401 without any of these counts as a challenge for a Bearer token; the caller that saw the status
/// adds that.
pub fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .flat_map(|value| grammar::read(value.as_bytes()))
        .filter_map(understand)
        .collect()
}

/// A challenge as it stands in `WWW-Authenticate`, every parameter quoted.
///
/// [`challenges`] reads it back as it was, as long as its texts hold no control characters, which no
/// header can carry.
pub fn print_challenge(challenge: &Challenge) -> String {
    let algs = (!challenge.algs.is_empty()).then(|| challenge.algs.join(" "));
    let scope = challenge.scope.as_ref().map(ToString::to_string);
    let parameters = [
        ("realm", challenge.realm.as_deref()),
        ("error", challenge.error.as_deref()),
        ("error_description", challenge.error_description.as_deref()),
        ("scope", scope.as_deref()),
        ("resource_metadata", challenge.resource_metadata.as_deref()),
        ("algs", algs.as_deref()),
    ];
    let mut text = challenge.scheme.as_str().to_owned();
    let mut separator = " ";
    for (name, value) in parameters {
        if let Some(value) = value {
            text.push_str(separator);
            text.push_str(name);
            text.push('=');
            grammar::quote(value, &mut text);
            separator = ", ";
        }
    }
    text
}

/// Gives the parameters that OAuth knows their meaning; `None` for a scheme that is not ours.
fn understand(read: HeaderChallenge) -> Option<Challenge> {
    // RFC 9110 §11.1: schemes are compared without regard to case.
    let scheme = [AuthScheme::Bearer, AuthScheme::Dpop]
        .into_iter()
        .find(|known| known.as_str().eq_ignore_ascii_case(&read.scheme))?;
    let mut challenge = Challenge::new(scheme);
    for (name, value) in read.parameters {
        let place = match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => &mut challenge.resource_metadata,
            "error" => &mut challenge.error,
            "error_description" => &mut challenge.error_description,
            "realm" => &mut challenge.realm,
            "scope" => {
                challenge
                    .scope
                    .get_or_insert_with(|| Scopes::from_server(&value));
                continue;
            }
            "algs" => {
                if challenge.algs.is_empty() {
                    challenge.algs = value.split_ascii_whitespace().map(Into::into).collect();
                }
                continue;
            }
            _ => continue,
        };
        place.get_or_insert(value);
    }
    Some(challenge)
}
