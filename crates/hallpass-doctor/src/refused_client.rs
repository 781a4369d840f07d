//! A client that the token endpoint refused at the last sign-in.

use hallpass_core::TokenEndpointAuthMethod;
use hallpass_login::{LoginInputs, LoginPlan, PlannedClient};
use http::StatusCode;

use crate::{Code, Finding, Severity, diagnosis::Diagnosis};

/// How the token endpoint refused the configured client at the last sign-in (RFC 6749 §5.2). A host that
/// remembers it hands it to the [`Doctor`](crate::Doctor) with the same client and the same secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedClient {
    /// The status of the answer.
    pub status: StatusCode,
    /// The error code of the answer, if it had one.
    pub code: Option<String>,
    /// The methods of authentication that the user has set and the endpoint has refused.
    pub auth_methods: Vec<TokenEndpointAuthMethod>,
}

impl RefusedClient {
    /// An answer with this status, without an error code.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            code: None,
            auth_methods: Vec::new(),
        }
    }
}

impl Diagnosis<'_> {
    /// The refusal of the client's secret at the last sign-in, where the next one would send the same.
    pub(crate) async fn refused_secret(
        &self,
        inputs: &LoginInputs<'_>,
        plan: &LoginPlan,
    ) -> Option<Finding> {
        let doctor = self.doctor;
        let refused = doctor.refused_client.as_ref()?;
        let PlannedClient::Configured(client) = &plan.client else {
            return None;
        };
        client.client_secret.as_ref()?;
        let code = match &refused.code {
            Some(code) => format!(", `{code}`"),
            None => String::new(),
        };
        let (refuses, id) = (&inputs.discovered.server.issuer, &client.client_id);
        let status = refused.status.as_u16();
        let what = match &client.auth_method {
            TokenEndpointAuthMethod::None => format!(
                "the token endpoint of `{refuses}` refused the client `{id}` at the last sign-in (status \
                 {status}{code}); its secret was not sent, as it authenticates by `none`"
            ),
            method => format!(
                "the token endpoint of `{refuses}` refused the secret of the client `{id}` at the last \
                 sign-in (status {status}{code}); it was sent by `{method}`"
            ),
        };
        let found = Finding::new(Code::ClientSecretRefused, what)
            .with_hints(&inputs.client_hints(client, &refused.auth_methods));
        let has_token = doctor.parts.hallpass.session().stored_token().await.is_ok();
        Some(if has_token || self.needs_no_sign_in() {
            found.with_severity(Severity::Warning)
        } else {
            found
        })
    }
}
