//! Lists of credentials, page by page in the order of the index of owners.

use hallpass_core::{
    Tenant,
    store::{Listing, StoreError, StoreErrorKind},
};
use tokio_postgres::types::Type;

use crate::{
    database::{Parameter, column},
    rows::{self, COLUMNS},
    store::Inner,
};

/// Where a page goes on: after this owner and this row.
#[derive(Debug, Default, PartialEq, Eq)]
struct Position {
    tenant: String,
    subject: String,
    key_id: Vec<u8>,
}

impl Position {
    /// Opaque to the caller. The names are of the columns, with all that a user's name may hold.
    fn to_text(&self) -> String {
        let parts = [
            self.tenant.as_bytes(),
            self.subject.as_bytes(),
            &self.key_id,
        ];
        parts.map(hex::encode).join(".")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(hex::decode);
        let mut next = || parts.next()?.ok();
        let (tenant, subject, key_id) = (next()?, next()?, next()?);
        Some(Self {
            tenant: String::from_utf8(tenant).ok()?,
            subject: String::from_utf8(subject).ok()?,
            key_id,
        })
    }
}

pub(crate) async fn page(
    inner: &Inner,
    tenant: Option<&Tenant>,
    after: Option<&str>,
    limit: usize,
) -> Result<Listing, StoreError> {
    let position = match after {
        None => Position::default(),
        Some(text) => Position::parse(text).ok_or_else(|| {
            let what = "the list can't go on after this text: it is not of this store";
            StoreError::new(StoreErrorKind::Refused, what)
        })?,
    };
    let of_tenant = if tenant.is_some() {
        "AND c.tenant = $5"
    } else {
        ""
    };
    let sql = format!(
        "SELECT c.subject, {COLUMNS} WHERE (c.tenant, c.subject, c.key_id) > ($1, $2, $3) {of_tenant}
         ORDER BY c.tenant, c.subject, c.key_id LIMIT $4"
    );
    // One more tells whether there is a next page.
    let count = i64::try_from(limit.max(1).saturating_add(1)).unwrap_or(i64::MAX);
    let mut parameters: Vec<Parameter<'_>> = vec![
        (&position.tenant, Type::TEXT),
        (&position.subject, Type::TEXT),
        (&position.key_id, Type::BYTEA),
        (&count, Type::INT8),
    ];
    let name = tenant.map(|tenant| rows::to_column(tenant.as_str()));
    if let Some(name) = &name {
        parameters.push((name, Type::TEXT));
    }
    let mut found = inner
        .database
        .rows("listing credentials", &sql, &parameters)
        .await?;
    let has_more = found.len() > limit.max(1);
    found.truncate(limit.max(1));
    let next = match found.last().filter(|_| has_more) {
        None => None,
        Some(last) => Some(Position {
            tenant: column(last, "tenant")?,
            subject: column(last, "subject")?,
            key_id: column(last, "key_id")?,
        }),
    };
    let mut listing = Listing::default();
    for row in &found {
        match rows::open(row, &inner.keys.data_keys, None).await {
            Ok(stored) => listing.credentials.push(stored.document.key().clone()),
            Err(error) => listing.problems.push(error),
        }
    }
    Ok(listing.with_next(next.map(|next| next.to_text())))
}
