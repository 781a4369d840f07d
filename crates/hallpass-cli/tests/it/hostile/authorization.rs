//! What an authorization server says, and what leads to it.

use serde_json::json;

use super::{
    IN_A_HEADER, Row, hostile, run,
    server::{METADATA, RESOURCE},
};

const LOGIN: &[&str] = &["login", "URL", "--no-browser", "--wait", "20"];
const DOCTOR: &[&str] = &["doctor", "URL"];

pub(super) const TABLE: &[Row] = &[
    Row {
        name: "the challenge",
        spoil: |it, origin| {
            let text = |field: &str| format!("{field}{IN_A_HEADER}");
            it.challenge = format!(
                "Bearer realm=\"{}\", error=\"{}\", error_description=\"{}\", scope=\"a {}\", \
                 resource_metadata=\"{origin}{RESOURCE}\"",
                text("REALM"),
                text("ERROR"),
                text("DESCRIPTION"),
                text("SCOPE"),
            );
        },
        runs: &[
            run(LOGIN, 0, &["signing in to"]),
            run(DOCTOR, 0, &["no faults"]),
        ],
    },
    Row {
        name: "where the resource's metadata is",
        spoil: |it, origin| {
            let place = format!("{origin}/WHERE{IN_A_HEADER}");
            it.challenge = format!("Bearer resource_metadata=\"{place}\"");
        },
        runs: &[run(LOGIN, 2, &["/WHERE%"]), run(DOCTOR, 2, &["/WHERE%"])],
    },
    Row {
        name: "metadata that can be used",
        spoil: |it, _| {
            it.set(
                RESOURCE,
                json!({
                    "resource_name": hostile("NAME"),
                    "scopes_supported": [hostile("SCOPE"), "plain"],
                    "resource_documentation": hostile("DOCUMENTATION"),
                    "resource_policy_uri": hostile("POLICY"),
                }),
            );
            it.set(
                METADATA,
                json!({
                    "scopes_supported": [hostile("SCOPE")],
                    "service_documentation": hostile("DOCUMENTATION"),
                    "grant_types_supported": ["authorization_code", hostile("GRANT")],
                    "response_types_supported": ["code", hostile("TYPE")],
                    "token_endpoint_auth_methods_supported": ["none", hostile("METHOD")],
                    "revocation_endpoint": hostile("REVOCATION"),
                    "dpop_signing_alg_values_supported": [hostile("ALGORITHM")],
                }),
            );
            let registered = json!({
                "client_id": hostile("CLIENT"),
                "client_name": hostile("CLIENT-NAME"),
                "client_uri": hostile("CLIENT-URI"),
                "scope": hostile("SCOPE"),
            });
            it.set("/register", registered);
            it.set(
                "/token",
                json!({ "scope": format!("plain {}", hostile("SCOPE")) }),
            );
        },
        runs: &[
            run(LOGIN, 0, &["signing in to"]),
            run(&["status"], 0, &["CLIENT"]),
            run(&["status", "URL"], 0, &["CLIENT"]),
            run(&["store", "list"], 0, &["a grant of http://127.0.0.1"]),
            run(DOCTOR, 0, &["CLIENT", "REVOCATION"]),
        ],
    },
    Row {
        name: "the resource",
        spoil: |it, origin| {
            let resource = format!("{origin}/{}", hostile("RESOURCE"));
            it.set(RESOURCE, json!({ "resource": resource }));
        },
        runs: &[
            run(LOGIN, 1, &["RESOURCE", "is not an absolute URI"]),
            run(DOCTOR, 1, &["RESOURCE"]),
        ],
    },
    Row {
        name: "an issuer in the resource's metadata",
        spoil: |it, origin| {
            let issuers = [format!("{origin}/{}", hostile("ISSUER"))];
            it.set(RESOURCE, json!({ "authorization_servers": issuers }));
        },
        runs: &[
            run(LOGIN, 2, &["names no usable authorization server"]),
            run(DOCTOR, 2, &["ISSUER"]),
            run(&["status"], 0, &["no accounts"]),
            run(&["store", "list"], 0, &["no accounts"]),
        ],
    },
    Row {
        name: "the issuer in its own metadata",
        spoil: |it, origin| {
            let issuer = format!("{origin}/{}", hostile("ISSUER"));
            it.set(METADATA, json!({ "issuer": issuer }));
        },
        runs: &[
            run(LOGIN, 1, &["ISSUER", "printable ASCII"]),
            run(DOCTOR, 1, &["ISSUER"]),
        ],
    },
    Row {
        name: "endpoints",
        spoil: |it, _| {
            let token = format!("https://as.example:{}", hostile("TOKEN"));
            it.set(METADATA, json!({ "token_endpoint": token }));
        },
        runs: &[
            run(LOGIN, 2, &["token_endpoint"]),
            run(DOCTOR, 2, &["TOKEN"]),
        ],
    },
    Row {
        name: "the authorization endpoint",
        spoil: |it, origin| {
            let endpoint = format!("{origin}/{}?{}", hostile("PATH"), hostile("QUERY"));
            it.set(METADATA, json!({ "authorization_endpoint": endpoint }));
        },
        runs: &[run(LOGIN, 0, &["(PATH)%"])],
    },
    Row {
        name: "an error of registration",
        spoil: |it, _| {
            let error = json!({
                "error": hostile("error"),
                "error_description": hostile("described "),
                "error_uri": hostile("URI"),
            });
            it.answer("/register", &format!("400 {IN_A_HEADER}"), &error);
        },
        runs: &[run(LOGIN, 4, &["did not register the client"])],
    },
    Row {
        name: "a registration without JSON",
        spoil: |it, _| it.answer("/register", "500 REASON\u{9b}", &hostile("BODY")),
        runs: &[run(LOGIN, 5, &["did not register the client"])],
    },
    Row {
        name: "an error of the callback",
        spoil: |it, _| {
            it.callback.extend([
                ("error", hostile("error")),
                ("error_description", hostile("described ")),
                ("error_uri", hostile("URI")),
            ]);
            it.callback.retain(|(name, _)| *name != "code");
        },
        runs: &[run(LOGIN, 4, &["described"])],
    },
    Row {
        name: "the issuer of the callback",
        spoil: |it, origin| {
            it.callback.retain(|(name, _)| *name != "iss");
            let issuer = format!("{origin}/{}", hostile("ISSUER"));
            it.callback.push(("iss", issuer));
        },
        runs: &[run(LOGIN, 4, &["the callback comes from the issuer"])],
    },
    Row {
        name: "an error of the token endpoint",
        spoil: |it, _| {
            let error = json!({
                "error": hostile("error"),
                "error_description": hostile("described "),
                "error_uri": hostile("URI"),
            });
            it.answer("/token", "400 Bad Request", &error);
        },
        runs: &[run(LOGIN, 2, &["gave no tokens", "described"])],
    },
    Row {
        name: "tokens of an unknown type",
        spoil: |it, _| it.set("/token", json!({ "token_type": hostile("TYPE") })),
        runs: &[run(LOGIN, 5, &["a token type that is neither"])],
    },
    Row {
        name: "a token that can't be one",
        spoil: |it, _| it.set("/token", json!({ "access_token": hostile("TOKEN") })),
        runs: &[run(LOGIN, 5, &["impossible characters"])],
    },
    Row {
        name: "a code to type on another device",
        spoil: |it, origin| {
            it.set(
                METADATA,
                json!({
                    "device_authorization_endpoint": format!("{origin}/device"),
                    "grant_types_supported": [
                        "authorization_code",
                        "urn:ietf:params:oauth:grant-type:device_code",
                    ],
                }),
            );
            let code = json!({
                "device_code": "device",
                "user_code": "USER-CODE",
                "verification_uri": format!("{origin}/{}", hostile("VERIFY")),
                "verification_uri_complete": format!("{origin}/{}", hostile("COMPLETE")),
                "expires_in": 60,
                "interval": 1,
                "message": hostile("MESSAGE"),
            });
            it.answer("/device", "200 OK", &code);
        },
        runs: &[
            run(LOGIN, 0, &["code USER-CODE", "(VERIFY)%", "(COMPLETE)%"]).before("(COMPLETE)%"),
        ],
    },
    Row {
        name: "a code that can't be typed",
        spoil: |it, origin| {
            let device = format!("{origin}/device");
            it.set(METADATA, json!({ "device_authorization_endpoint": device }));
            let code = json!({
                "device_code": "device",
                "user_code": hostile("USER-CODE"),
                "verification_uri": device,
            });
            it.answer("/device", "200 OK", &code);
        },
        runs: &[run(LOGIN, 0, &["gave no device code"]).before("gave no device code")],
    },
    Row {
        name: "no code for another device",
        spoil: |it, origin| {
            let device = format!("{origin}/device");
            it.set(METADATA, json!({ "device_authorization_endpoint": device }));
            let error = json!({
                "error": hostile("error"),
                "error_description": hostile("described "),
            });
            it.answer("/device", "400 Bad Request", &error);
        },
        runs: &[run(LOGIN, 0, &["gave no device code"]).before("gave no device code")],
    },
    Row {
        name: "an error of revocation",
        spoil: |it, _| {
            let error = json!({
                "error": hostile("error"),
                "error_description": hostile("described "),
            });
            it.answer("/revoke", "400 Bad Request", &error);
        },
        runs: &[run(LOGIN, 0, &[]), run(&["logout", "URL"], 0, &[])],
    },
];
