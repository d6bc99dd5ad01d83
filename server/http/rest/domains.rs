//! Domains that are ours: the DNS records they need, and whether they are there.

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time::Time;
use super::{Answered, created, kept};
use crate::http::access::Caller;
use crate::http::body::Json;
use crate::http::by::By;
use crate::http::idempotency::Once;
use crate::http::page::List;
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::mail::address::Address;
use crate::mail::dkim::Key;
use crate::net::domain;
use crate::store;
use crate::store::dkim::{Algorithm, SELECTOR};

/// Domains that are shown.
const MOST: i64 = 1000;

/// A domain whose addresses are accounts here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Domain {
    name: String,
    created_at: Time,
    /// Whether it is that of Message-IDs and reply addresses (`mail.domain`).
    main: bool,
    /// Whether its mail is signed (DKIM).
    signed: bool,
    /// What its zone needs.
    records: Vec<Record>,
}

/// A DNS record.
#[derive(Debug, Serialize, ToSchema)]
pub struct Record {
    /// Without a dot at its end.
    name: String,
    /// `MX` or `TXT`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// As it stands in a zone file.
    value: String,
}

impl From<domain::Record> for Record {
    fn from(domain::Record { name, kind, value }: domain::Record) -> Self {
        Self { name, kind, value }
    }
}

impl Domain {
    fn of(state: &AppState, keys: &[(String, Key)], name: String, created_at: i64) -> Self {
        let main = *name == *state.submission.domain;
        let records = domain::records(keys, &name, &state.submission.domain);
        Self {
            signed: keys.iter().any(|(of, _)| *of == name),
            records: records.into_iter().map(Record::from).collect(),
            created_at: Time(created_at),
            name,
            main,
        }
    }
}

/// Lists the domains that are ours, by name, each with the DNS records it needs; at most 1,000.
#[utoipa::path(get, path = "/v1/admin/domains", tag = "Administration", responses((status = 200, body = List<Domain>)))]
pub async fn list(State(state): State<AppState>, _: Caller) -> Answered {
    let keys = state.store.dkim_keys().await?;
    let rows = state.store.domains(MOST).await?;
    let items = rows.into_iter().map(|(name, at)| Domain::of(&state, &keys, name, at)).collect();
    Ok(axum::Json(List::<Domain> { items, next_cursor: None, as_of: None }).into_response())
}

/// A domain to be ours.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    /// Such as example.org.
    name: String,
}

fn name_of(text: &str) -> Result<String, Problem> {
    let address = format!("postmaster@{}", text.trim()).parse::<Address>();
    let address =
        address.map_err(|_| Problem::at(&problem::INVALID_BODY, "/name", "a domain such as example.org"))?;
    Ok(address.domain().to_owned())
}

/// Makes a domain ours, with a key that its mail is signed with; one that is there gets what it lacks.
#[utoipa::path(post, path = "/v1/admin/domains", tag = "Administration", request_body = NewDomain,
    responses((status = 201, body = Domain), (status = 422, description = "`invalid_body`")))]
pub async fn add(
    State(state): State<AppState>,
    caller: Caller,
    by: By,
    once: Once,
    Json(new): Json<NewDomain>,
) -> Answered {
    let (name, now) = (name_of(&new.name)?, state.clock.now_ms());
    // The key first: one of a domain that is not ours signs nothing.
    let seed = state.ids.secret().to_vec();
    match state.store.keep_dkim_key(&name, SELECTOR, Algorithm::Ed25519, seed, now).await {
        // It has one.
        Ok(()) | Err(store::Error::Conflict) => {}
        Err(error) => return Err(error.into()),
    }
    let keys = state.store.dkim_keys().await?;
    let there = state.store.domains(MOST).await?.into_iter().find(|(known, _)| *known == name);
    let domain = Domain::of(&state, &keys, name.clone(), there.map_or(now, |(_, at)| at));
    let location = format!("/v1/admin/domains/{name}/check");
    let keep = once.keep(caller.account.id, StatusCode::CREATED, Some(location.clone()), &domain, now);
    let entry = by.entry(&state, "domain.added", name.as_str());
    state.store.with(keep).audited(&entry).add_domain(name, now).await?;
    Ok(kept(created(&location, &domain)))
}

/// What the DNS says of a domain.
#[derive(Debug, Serialize, ToSchema)]
pub struct Looked {
    name: String,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// `good`, `doubtful` or `bad`.
    state: &'static str,
    /// What was found, and what to do.
    detail: String,
}

/// Looks at MX, SPF, DKIM and DMARC of a domain that is ours. It takes as long as its name servers do.
#[utoipa::path(get, path = "/v1/admin/domains/{name}/check", tag = "Administration", params(("name" = String, Path)),
    responses((status = 200, body = Looked), (status = 404)))]
pub async fn check(State(state): State<AppState>, _: Caller, Path(name): Path<String>) -> Answered {
    let name = name.to_lowercase();
    if !state.store.local_domains().await?.contains(&name) {
        return Err(Problem::not_found());
    }
    let resolver = state.submission.names.as_ref().ok_or_else(|| {
        Problem::new(&problem::BUSY, "This machine names no name servers, so nothing can be looked up.")
    })?;
    let keys = state.store.dkim_keys().await?;
    let found = domain::look(resolver, &state.submission.domain, &name, &keys).await;
    let told = |found: &domain::Found| {
        let (state, detail) = found.told();
        Check { state, detail: detail.to_owned() }
    };
    let checks = found.iter().map(told).collect();
    Ok(axum::Json(Looked { name, checks }).into_response())
}
