use super::*;

fn key() -> CredentialKey {
    CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp?key=canary-1").unwrap())
}

fn subject(tenant: &str, user: &str) -> Subject {
    Subject::new(user)
        .unwrap()
        .with_tenant(Tenant::new(tenant).unwrap())
}

#[test]
fn digest_of_a_key_stays_the_same_over_versions() {
    let key = CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp").unwrap());
    let of_user = key.clone().with_account(Account::parse("work").unwrap());
    let of_user = of_user.with_subject(Subject::new("auth0|5f").unwrap());
    let of_tenant = key.clone().with_subject(subject("acme", "a+b@c"));
    for (key, digest) in [
        (
            key,
            "bced402490a32d75f0d2ec251ff5206eb16041eee78dbfd404eb5d4f382c877a",
        ),
        (
            of_user,
            "d98d6adbb6f2a99ac51ae84bec688819828e53883c79d39469f81137c0c6191f",
        ),
        (
            of_tenant,
            "57f05683f889a1c22e45fbfb1b183837af864a9009f789556fa7139ceca08cb6",
        ),
    ] {
        assert_eq!(hex(&key.digest()), digest);
        assert_eq!(key.id(), digest[..16]);
    }
}

#[test]
fn keys_of_other_tenants_and_users_have_other_digests() {
    let subjects = [
        subject("", ""),
        subject("", "a"),
        subject("a", ""),
        subject("a", "a"),
        subject("a\0", "a"),
        subject("a", "\0a"),
        subject("", "a\0a"),
        subject("", "\0a"),
    ];
    let digests = subjects.map(|subject| key().with_subject(subject).digest());
    for (number, digest) in digests.iter().enumerate() {
        assert!(!digests[..number].contains(digest), "{number}");
    }
}

#[test]
fn names_up_to_250_bytes_of_any_characters_are_a_subject() {
    let long = "x".repeat(250);
    for name in [
        "",
        "auth0|5f7c",
        "spiffe://cluster/ns/a",
        "a+b@c.example",
        "\0\u{202e}",
        &long,
    ] {
        let subject = subject(name, name);
        assert_eq!((subject.tenant().as_str(), subject.user()), (name, name));
    }
    for name in ["x".repeat(251), "é".repeat(126)] {
        let error = Subject::new(&name).unwrap_err();
        assert_eq!(error, Tenant::new(&name).unwrap_err());
        assert_eq!(error.remedy(), Remedy::Configure);
        assert!(
            error
                .to_string()
                .contains(&format!("has {} bytes", name.len())),
            "{error}"
        );
    }
}

#[test]
fn subject_is_shown_escaped_and_only_where_it_is_asked_for() {
    let subject = subject("acme\u{202e}", "mallory\n\u{1b}[2J");
    assert_eq!(subject.to_string(), r"acme\u{202e} / mallory\n\u{1b}[2J");
    assert_eq!(Subject::new("a+b@c").unwrap().to_string(), "a+b@c");
    let key = key().with_subject(subject);
    for text in [format!("{key}"), format!("{key:?}"), key.id()] {
        for secret in ["acme", "mallory", "canary"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
