//! Which `resource` is chosen (RFC 8707 §2), and which metadata is the server's own (RFC 9728 §3.3).

use hallpass_core::{Diagnostic as _, Remedy, ResourceSetting};
use hallpass_discovery::DiscoveryErrorKind;

use crate::fixture::{AS, Fixture, MCP, PATH_PRM, case, challenged, exactly, issuer, pointed};

/// A pointed server that publishes this resource.
fn publishing(resource: &str, setting: ResourceSetting) -> Fixture {
    pointed()
        .set(|settings| settings.resource = setting)
        .protected(PATH_PRM, resource, &["https://as.example"])
        .issuer(AS, "https://as.example")
}

#[track_caller]
fn chooses(case: Fixture, resource: &str) {
    case.finds(
        &format!("https://as.example (Rfc8414) {resource}"),
        &[PATH_PRM, AS],
    );
}

#[test]
fn published_resource_is_kept_byte_for_byte() {
    for resource in [
        "https://mcp.example/mcp",
        "https://mcp.example/mcp/",
        "https://mcp.example",
        "https://mcp.example/",
        "https://MCP.example:443/mcp",
    ] {
        chooses(publishing(resource, ResourceSetting::Published), resource);
    }
    chooses(
        publishing("https://mcp.example/mcp?t=1", ResourceSetting::Published)
            .server("https://mcp.example/mcp?t=1"),
        "https://mcp.example/mcp?t=1",
    );
}

#[test]
fn metadata_of_another_resource_ends_discovery() {
    for (resource, part) in [
        ("https://evil.example/mcp", "host"),
        ("https://mcp.example.evil.example/mcp", "host"),
        ("https://mcp.example/mc", "path"),
        ("https://mcp.example/mcp/tools", "path"),
        ("https://mcp.example/MCP", "path"),
        ("https://mcp.example/%6Dcp", "path"),
        ("https://mcp.example:8443/mcp", "port"),
        ("http://mcp.example/mcp", "scheme"),
        ("urn:mcp:x", "scheme"),
    ] {
        let error = publishing(resource, ResourceSetting::Published).fails(
            &format!(
                "the metadata's `resource` `{resource}` does not identify the server `{MCP}`: the \
                 {part} differs (RFC 9728 §3.3)"
            ),
            &format!("set `resource` to `{resource}`; only if that name is right"),
            &[PATH_PRM],
        );
        assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMismatch);
        assert_eq!(error.remedy(), Remedy::Configure);
        assert_eq!(error.attempts()[0].status().unwrap(), 200);
        assert_eq!(
            error.attempts()[0].reason(),
            Some(error.to_string().as_str())
        );
    }
}

#[test]
fn resource_mismatch_at_path_does_not_read_the_root() {
    challenged()
        .protected(
            PATH_PRM,
            "https://evil.example/mcp",
            &["https://as.example"],
        )
        .fails(
            "the metadata's `resource` `https://evil.example/mcp` does not identify the server \
             `https://mcp.example/mcp`: the host differs (RFC 9728 §3.3)",
            "`resource`",
            &[PATH_PRM],
        );
    // Nor does any setting but the one for it.
    let error = publishing("https://evil.example/mcp", ResourceSetting::Omitted)
        .set(|settings| {
            settings.legacy_discovery = true;
            settings.issuer = Some(issuer("https://as.example"));
        })
        .run()
        .unwrap_err();
    assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMismatch);
}

#[test]
fn explicit_resource_of_the_server_is_chosen() {
    // The server's URL, whatever is published,
    chooses(publishing("https://mcp.example", exactly(MCP, false)), MCP);
    // in another spelling, which goes out as written,
    chooses(
        publishing(
            "https://mcp.example",
            exactly("https://MCP.example/mcp", false),
        ),
        "https://MCP.example/mcp",
    );
    // what the metadata publishes,
    chooses(
        publishing("https://mcp.example", exactly("https://mcp.example", false)),
        "https://mcp.example",
    );
    // even where that does not identify the server: the user has seen and allowed it,
    chooses(
        publishing(
            "https://gateway.example/x",
            exactly("https://gateway.example/x", false),
        ),
        "https://gateway.example/x",
    );
    // and anything with `allow_mismatch`.
    chooses(
        publishing("https://mcp.example", exactly("api://abc", true)),
        "api://abc",
    );
    chooses(
        publishing("https://gateway.example/x", exactly("api://abc", true)),
        "api://abc",
    );
}

#[test]
fn unpublished_explicit_resource_is_refused() {
    let error = publishing(
        "https://mcp.example",
        exactly("https://other.example", false),
    )
    .fails(
        "the configured `resource` `https://other.example` is not the server \
         `https://mcp.example/mcp`, and its metadata publishes `https://mcp.example` \
         (RFC 8707 §2)",
        "`allow_mismatch`",
        &[PATH_PRM],
    );
    assert_eq!(error.kind(), DiscoveryErrorKind::ResourceSetting);
    assert_eq!(error.remedy(), Remedy::Configure);
    let error = challenged()
        .set(|settings| {
            settings.resource = exactly("https://mcp.example", false);
            settings.issuer = Some(issuer("https://as.example"));
        })
        .run()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configured `resource` `https://mcp.example` is not the server \
         `https://mcp.example/mcp`, and it publishes no other (RFC 8707 §2)"
    );
    // The metadata's own mismatch is told first.
    let error = publishing(
        "https://evil.example",
        exactly("https://other.example", false),
    );
    assert_eq!(
        error.run().unwrap_err().kind(),
        DiscoveryErrorKind::ResourceMismatch
    );
}

#[test]
fn omitted_resource_is_left_out() {
    let found = publishing(MCP, ResourceSetting::Omitted)
        .finds("https://as.example (Rfc8414) none", &[PATH_PRM, AS]);
    assert_eq!(found.resource, None);
}

#[test]
fn resource_without_metadata_is_the_canonical_url() {
    let found = challenged()
        .server("HTTPS://MCP.example:443/mcp")
        .set(|settings| settings.issuer = Some(issuer("https://as.example")))
        .issuer(AS, "https://as.example")
        .run()
        .unwrap();
    assert_eq!(found.resource.unwrap().as_str(), MCP);
    assert_eq!(found.resource_metadata, None);
}

#[test]
fn published_resource_that_reads_otherwise_once_parsed_is_refused() {
    for resource in [
        "https://mcp.example/tenantB/../mcp",
        "https://mcp.example/tenantB/%2e%2e/mcp",
        "https:\\\\mcp.example/mcp",
    ] {
        // Also where the user names that very text.
        let error = publishing(resource, ResourceSetting::Published)
            .run()
            .unwrap_err();
        assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMismatch);
        assert!(error.to_string().contains("reads otherwise"), "{error}");
        assert_eq!(error.attempts().len(), 1, "the root is not asked instead");
    }
}

#[test]
fn ancestor_counts_at_the_well_known_url_of_the_origin_alone() {
    let elsewhere = "https://mcp.example/tenantB/metadata";
    let pointing = |at: &str| {
        case(&[&format!("Bearer resource_metadata=\"{at}\"")]).issuer(AS, "https://as.example")
    };
    let well_known = "https://mcp.example/.well-known/oauth-protected-resource";
    for at in [well_known, PATH_PRM, &format!("{well_known}/any")] {
        pointing(at)
            .protected(at, "https://mcp.example", &["https://as.example"])
            .finds(
                "https://as.example (Rfc8414) https://mcp.example",
                &[at, AS],
            );
    }
    for at in [elsewhere, &format!("{well_known}x")] {
        let error = pointing(at)
            .protected(at, "https://mcp.example", &["https://as.example"])
            .fails(
                &format!(
                    "the metadata's `resource` `https://mcp.example` does not identify the server \
                     `{MCP}`: it is not the server's URL, and the metadata is at {at}, not at the \
                     server's well-known URL (RFC 9728 §3.3)"
                ),
                "set `resource` to `https://mcp.example`",
                &[at],
            );
        assert_eq!(error.kind(), DiscoveryErrorKind::ResourceMismatch);
        pointing(at)
            .protected(at, MCP, &["https://as.example"])
            .finds(&format!("https://as.example (Rfc8414) {MCP}"), &[at, AS]);
    }
    // The fix works as it is printed.
    pointing(elsewhere)
        .set(|settings| settings.resource = exactly("https://mcp.example", false))
        .protected(elsewhere, "https://mcp.example", &["https://as.example"])
        .finds(
            "https://as.example (Rfc8414) https://mcp.example",
            &[elsewhere, AS],
        );
}
