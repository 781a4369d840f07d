//! Which scopes a login asks for.

use hallpass_core::{Scopes, ServerMetadata, ServerSettings};

/// Asks for a grant that outlives the user's session (`OpenID` Connect Core §11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

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

fn without(scopes: &Scopes) -> Scopes {
    scopes
        .iter()
        .filter(|scope| *scope != OFFLINE_ACCESS)
        .collect()
}

#[cfg(test)]
mod tests {
    use hallpass_core::Issuer;

    use super::*;

    #[test]
    fn offline_access_is_asked_for_where_the_server_lists_it() {
        let check =
            |setting: Option<&str>, chosen: &str, added: &str, lists: bool, expected: &str| {
                let settings = ServerSettings {
                    scopes: setting.map(Scopes::from_server),
                    ..ServerSettings::default()
                };
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
