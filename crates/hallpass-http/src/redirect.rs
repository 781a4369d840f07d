//! Which redirects are followed: those of a GET that stay on the same origin.

use std::{error::Error, fmt};

use hallpass_core::{http::Redirects, url_without_query};
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
        .ok_or(RedirectRefused::unreadable())?;
    if Origin::from_url(&next) != Origin::from_url(url) {
        return Err(RedirectRefused::elsewhere(&next));
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(RedirectRefused(RedirectReason::UserInfo));
    }
    if followed >= limit {
        return Err(RedirectRefused::too_many(limit));
    }
    Ok(Some(next))
}

/// A redirect that was not followed.
///
/// It is the [source](Error::source) of an [`HttpError`](hallpass_core::HttpError) of kind
/// `Redirect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectRefused(RedirectReason);

#[derive(Debug, Clone, PartialEq, Eq)]
enum RedirectReason {
    Unreadable,
    Elsewhere(String),
    UserInfo,
    TooMany(u8),
}

impl RedirectRefused {
    pub(crate) fn unreadable() -> Self {
        Self(RedirectReason::Unreadable)
    }

    pub(crate) fn elsewhere(url: &Url) -> Self {
        Self(RedirectReason::Elsewhere(url_without_query(url).into()))
    }

    pub(crate) fn too_many(limit: u8) -> Self {
        Self(RedirectReason::TooMany(limit))
    }

    /// Where it would have led, without query and user information.
    pub fn target(&self) -> Option<&str> {
        match &self.0 {
            RedirectReason::Elsewhere(target) => Some(target),
            _ => None,
        }
    }
}

impl fmt::Display for RedirectRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            RedirectReason::Unreadable => f.write_str("the `Location` header is no URL"),
            RedirectReason::Elsewhere(target) => write!(f, "it leads to another origin: {target}"),
            RedirectReason::UserInfo => {
                f.write_str("the `Location` header holds a user name or a password")
            }
            RedirectReason::TooMany(limit) => write!(f, "more than {limit} redirects"),
        }
    }
}

impl Error for RedirectRefused {}

impl hallpass_core::Diagnostic for RedirectRefused {
    fn remedy(&self) -> hallpass_core::Remedy {
        hallpass_core::Remedy::Configure
    }
}
