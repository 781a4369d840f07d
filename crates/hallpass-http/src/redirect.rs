//! Which redirects are followed: those of a GET that stay on the same origin.

use hallpass_core::{Diagnostic, Remedy, http::Redirects, url_without_query};
use http::{Method, StatusCode, header};
use url::Url;

use crate::Origin;

/// Where a redirect leads that is to be followed; `None` when the response is the answer.
pub(crate) fn next_hop(
    method: &Method,
    response: &reqwest::Response,
    url: &Url,
    redirects: Redirects,
    followed: u8,
) -> Result<Option<Url>, RedirectRefused> {
    let Redirects::SameOrigin { limit } = redirects else {
        return Ok(None);
    };
    // RFC 9110 §15.4: the five that name another place to ask.
    let leads_on = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !leads_on || !matches!(*method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(header::LOCATION) else {
        return Ok(None);
    };
    let next = location
        .to_str()
        .ok()
        .and_then(|location| url.join(location).ok())
        .ok_or(RedirectReason::Unreadable)?;
    if Origin::from_url(&next) != Origin::from_url(url) {
        return Err(RedirectReason::Elsewhere(url_without_query(&next).into()).into());
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(RedirectReason::UserInfo.into());
    }
    if followed >= limit {
        return Err(RedirectReason::TooMany(limit).into());
    }
    Ok(Some(next))
}

/// A redirect that was not followed.
///
/// It is the [source](std::error::Error::source) of an [`HttpError`](hallpass_core::HttpError) of kind
/// `Redirect`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct RedirectRefused(#[from] RedirectReason);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum RedirectReason {
    #[error("the `Location` header is no URL")]
    Unreadable,
    #[error("it leads to another origin: {0}")]
    Elsewhere(String),
    #[error("the `Location` header holds a user name or a password")]
    UserInfo,
    #[error("more than {0} redirects")]
    TooMany(u8),
}

impl RedirectRefused {
    /// Where it would have led, without query and user information.
    pub fn target(&self) -> Option<&str> {
        match &self.0 {
            RedirectReason::Elsewhere(target) => Some(target),
            _ => None,
        }
    }
}

impl Diagnostic for RedirectRefused {
    fn remedy(&self) -> Remedy {
        Remedy::Configure
    }
}
