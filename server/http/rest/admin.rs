//! Administration: accounts.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::time::Time;
use super::tokens::Paging;
use super::{Answered, created, kept, line};
use crate::http::access::Caller;
use crate::http::body::{Json, Params};
use crate::http::by::By;
use crate::http::idempotency::Once;
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::mail::address::Address;
use crate::store;
use crate::store::account::{Kind, NewAccount};

/// An account, as an administrator sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    id: Uuid,
    address: String,
    name: String,
    /// `person` or `service`.
    kind: String,
    admin: bool,
    created_at: Time,
    disabled_at: Option<Time>,
}

/// Lists every account, oldest first.
#[utoipa::path(get, path = "/v1/admin/accounts", tag = "Administration", params(Paging), responses((status = 200, body = List<Account>)))]
pub async fn accounts(
    State(state): State<AppState>,
    caller: Caller,
    Params(query): Params<Paging>,
) -> Answered {
    let page = Page::read(caller.account.id, "accounts", "", query.limit, query.cursor.as_deref())?;
    let mut rows = state.store.accounts(page.after.map(|(_, id)| id), page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (0, row.id));
    let items: Vec<Account> = rows
        .into_iter()
        .map(|row| Account {
            id: row.id,
            address: row.address,
            name: row.name,
            kind: row.kind,
            admin: row.admin,
            created_at: Time(row.created_at),
            disabled_at: row.disabled_at.map(Time),
        })
        .collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccountBody {
    #[schema(value_type = String)]
    address: Address,
    name: String,
    /// `person` (the default) or `service`.
    #[serde(default)]
    kind: Option<String>,
    /// Null: no sign-in by password.
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    admin: bool,
}

/// Makes an account, in whatever domain its address has: that domain becomes a local one.
#[utoipa::path(post, path = "/v1/admin/accounts", tag = "Administration", request_body = NewAccountBody,
    responses((status = 201, body = Account), (status = 409, description = "`address_taken`")))]
pub async fn create_account(
    State(state): State<AppState>,
    caller: Caller,
    by: By,
    once: Once,
    Json(new): Json<NewAccountBody>,
) -> Answered {
    let now = state.clock.now_ms();
    let kind = match new.kind.as_deref() {
        None | Some("person") => Kind::Person,
        Some("service") => Kind::Service,
        Some(_) => return Err(Problem::at(&problem::INVALID_BODY, "/kind", "kind is person or service")),
    };
    let name = line("/name", &new.name, 200)?;
    let password = match new.password {
        Some(password) => Some(state.passwords.hash(password).await?),
        None => None,
    };
    let id = state.ids.id(now);
    let account = Account {
        id,
        address: new.address.to_string(),
        name: name.clone(),
        kind: kind.as_str().to_owned(),
        admin: new.admin,
        created_at: Time(now),
        disabled_at: None,
    };
    let location = format!("/v1/admin/accounts/{id}");
    let keep = once.keep(caller.account.id, StatusCode::CREATED, Some(location.clone()), &account, now);
    let row = NewAccount { id, address: new.address, name, kind, admin: new.admin, password };
    let entry = by.entry(&state, "account.created", account.address.as_str());
    state.store.with(keep).audited(&entry).create_account(row, now).await.map_err(|error| match error {
        store::Error::Conflict => {
            Problem::at(&problem::ADDRESS_TAKEN, "/address", "this address belongs to another account")
        }
        other => other.into(),
    })?;
    Ok(kept(created(&location, &account)))
}

/// Whether anything may leave this system.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sending {
    /// Mail to outside addresses, notices and webhooks wait.
    paused: bool,
    since: Option<Time>,
    /// `restored`: a backup was restored, and its queue may hold what has gone out since it was made; `asked`.
    reason: Option<String>,
}

async fn sending_now(state: &AppState) -> Answered {
    let pause = state.store.paused().await?;
    let now = Sending {
        paused: pause.is_some(),
        since: pause.as_ref().map(|pause| Time(pause.since)),
        reason: pause.map(|pause| pause.reason),
    };
    Ok(axum::Json(now).into_response())
}

/// Whether sending is paused.
#[utoipa::path(get, path = "/v1/admin/sending", tag = "Administration", responses((status = 200, body = Sending)))]
pub async fn sending(State(state): State<AppState>) -> Answered {
    sending_now(&state).await
}

/// Pauses sending, or lets it go on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSending {
    paused: bool,
}

/// Pauses sending or lets it go on, for all nodes; what is being handed over now is finished.
#[utoipa::path(patch, path = "/v1/admin/sending", tag = "Administration", request_body = SetSending,
    responses((status = 200, body = Sending)))]
pub async fn set_sending(
    State(state): State<AppState>,
    caller: Caller,
    by: By,
    Json(set): Json<SetSending>,
) -> Answered {
    if set.paused {
        let entry = by.entry(&state, "sending.paused", "");
        state.store.audited(&entry).pause(state.clock.now_ms()).await?;
    } else {
        state.store.audited(&by.entry(&state, "sending.resumed", "")).resume().await?;
    }
    tracing::warn!(account = %caller.account.id, paused = set.paused, "an administrator changed whether mail is sent");
    sending_now(&state).await
}
