//! Which scopes a login asks for.

use hallpass_core::{Issuer, Scopes, ServerMetadata, ServerSettings};

/// Asks for a grant that outlives the user's session (`OpenID` Connect Core §11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// Makes a request one of OpenID Connect (Core §3.1.2.1).
const OPENID: &str = "openid";

/// The scopes to begin again with, after a provider has refused a request for none. `None` where the
/// request did name scopes, and where the server does not list `openid`. MCP leaves the parameter out
/// where no server names scopes, so the first request has none.
pub(crate) fn instead_of_none(
    scopes: &Scopes,
    settings: &ServerSettings,
    metadata: &ServerMetadata,
) -> Option<Scopes> {
    let is_possible =
        scopes.is_empty() && settings.scopes.is_none() && metadata.supports_scope(OPENID);
    let openid = Scopes::from_server(OPENID);
    is_possible.then(|| to_ask_for(&openid, &Scopes::none(), settings, metadata))
}

/// The scopes to ask for, from those that discovery chose (setting, else challenge, else resource
/// metadata) and those a step-up adds.
///
/// `offline_access` is asked for where the authorization server lists it, since some give refresh
/// tokens for nothing else, and nowhere else (`OpenID` Connect Core §11). The user's own list is
/// taken as it is; and where nothing is asked for, the server's default must not become this scope
/// alone.
pub(crate) fn to_ask_for(
    chosen: &Scopes,
    added: &Scopes,
    settings: &ServerSettings,
    metadata: &ServerMetadata,
) -> Scopes {
    let scopes = chosen.union(added);
    if let Some(configured) = &settings.scopes {
        return if configured.contains(OFFLINE_ACCESS) || metadata.supports_scope(OFFLINE_ACCESS) {
            scopes
        } else {
            without(&scopes)
        };
    }
    if !metadata.supports_scope(OFFLINE_ACCESS) {
        without(&scopes)
    } else if scopes.is_empty() {
        scopes
    } else {
        scopes.with(OFFLINE_ACCESS)
    }
}

/// Whether `scopes` hold an `offline_access` that the user did not set. `OpenID` Connect Core §11: the
/// provider ignores it in a request that does not ask for consent. A user who names the scope names the
/// `prompt` too.
pub(crate) fn is_offline_access_added(scopes: &Scopes, settings: &ServerSettings) -> bool {
    let set = settings.scopes.as_ref();
    scopes.contains(OFFLINE_ACCESS) && set.is_none_or(|set| !set.contains(OFFLINE_ACCESS))
}

/// Whether the issuer gives offline access without asking for consent again. Entra does; where its
/// administrator consents for everyone, a request for consent ends on a page without a way back.
pub(crate) fn needs_no_consent(issuer: &Issuer) -> bool {
    issuer
        .url()
        .host_str()
        .is_some_and(|host| ENTRA.contains(&host))
}

/// The hosts of Entra's issuers.
const ENTRA: &[&str] = &[
    "login.microsoftonline.cn",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "sts.windows.net",
];

fn without(scopes: &Scopes) -> Scopes {
    scopes
        .iter()
        .filter(|scope| *scope != OFFLINE_ACCESS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entra_needs_no_consent() {
        let check = |issuer: &str, expected| {
            let found = needs_no_consent(&Issuer::parse(issuer).unwrap());
            assert_eq!(found, expected, "{issuer}");
        };
        check("https://login.microsoftonline.com/tenant/v2.0", true);
        check("https://login.microsoftonline.us/tenant/v2.0", true);
        check("https://login.microsoftonline.cn/tenant/v2.0", true);
        check("https://login.partner.microsoftonline.cn/t/v2.0", true);
        check("https://sts.windows.net/tenant/", true);
        check("https://login.microsoftonline.com.evil.example/", false);
        check("https://as.example/login.microsoftonline.com", false);
    }

    #[test]
    fn offline_access_is_asked_for_where_the_server_lists_it() {
        let check =
            |setting: Option<&str>, chosen: &str, added: &str, lists: bool, expected: &str| {
                let settings =
                    ServerSettings::default().with_scopes(setting.map(Scopes::from_server));
                let mut metadata =
                    ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
                metadata.scopes_supported = lists.then(|| vec![OFFLINE_ACCESS.to_owned()]);
                let found = to_ask_for(
                    &Scopes::from_server(chosen),
                    &Scopes::from_server(added),
                    &settings,
                    &metadata,
                );
                assert_eq!(
                    found.to_string(),
                    expected,
                    "{setting:?} {chosen} {added} {lists}"
                );
            };
        check(None, "a b", "", false, "a b");
        check(None, "a b", "c", false, "a b c");
        check(None, "a offline_access", "", false, "a");
        check(None, "a", "offline_access", false, "a");
        check(None, "a", "", true, "a offline_access");
        check(None, "", "", true, "");
        check(Some("a"), "a", "", true, "a");
        check(Some("a"), "a", "c", true, "a c");
        check(
            Some("a offline_access"),
            "a offline_access",
            "",
            false,
            "a offline_access",
        );
        check(Some("a"), "a", "offline_access", false, "a");
    }
}
