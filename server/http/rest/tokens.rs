//! API tokens: made, shown once, listed, revoked.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::time::Time;
use super::{Answered, created, kept, line};
use crate::auth::{Scope, Scopes, token};
use crate::http::access::Caller;
use crate::http::body::{Id, Json, Params};
use crate::http::by::By;
use crate::http::idempotency::Once;
use crate::http::page::{List, Page};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, StatusCode};
use crate::store::token::{NewToken, TokenRow};

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
pub struct Token {
    id: Uuid,
    name: String,
    scopes: Vec<&'static str>,
    created_at: Time,
    expires_at: Option<Time>,
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub struct Created {
    #[serde(flatten)]
    about: Token,
    /// The token itself: shown this once. Null when the answer is replayed under an Idempotency-Key.
    token: Option<String>,
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTokenBody {
    /// What it is for.
    name: String,
    /// What it may do; null: what its account may, except that a service's token answers no questions.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// When it ends by itself.
    #[serde(default)]
    expires_at: Option<Time>,
}

/// The page of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<i64>,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scopes: Scopes::stored(&row.scopes).iter().map(Scope::as_str).collect(),
            created_at: Time(row.created_at),
            expires_at: row.expires_at.map(Time),
        }
    }
}

/// Lists the account's tokens, oldest first.
#[utoipa::path(get, path = "/v1/tokens", tag = "Tokens", params(Paging), responses((status = 200, body = List<Token>)))]
pub async fn list(State(state): State<AppState>, caller: Caller, Params(query): Params<Paging>) -> Answered {
    let account = caller.account.id;
    let page = Page::read(account, "tokens", "", query.limit, query.cursor.as_deref())?;
    let mut rows = state.store.tokens(account, page.after.map(|(_, id)| id), page.fetch()).await?;
    let next_cursor = page.cut(&mut rows, |row| (0, row.id));
    let items: Vec<Token> = rows.into_iter().map(Token::from).collect();
    Ok(axum::Json(List { items, next_cursor, as_of: None }).into_response())
}

/// Makes a token. It is shown this once; only its digest is kept.
#[utoipa::path(post, path = "/v1/tokens", tag = "Tokens", request_body = NewTokenBody,
    responses((status = 201, body = Created), (status = 422, description = "`scope_not_yours`: it would permit more than the caller may")))]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    by: By,
    once: Once,
    Json(new): Json<NewTokenBody>,
) -> Answered {
    let now = state.clock.now_ms();
    let name = line("/name", &new.name, 200)?;
    let scopes: Scopes = match &new.scopes {
        // Never more than the credential that makes it.
        None => Scopes::of_token(caller.account.admin, caller.is_service()).and(caller.scopes),
        Some(named) => {
            let parsed = named.iter().enumerate().map(|(n, scope)| {
                scope.parse::<Scope>().map_err(|error| {
                    Problem::at(&problem::INVALID_BODY, format!("/scopes/{n}"), error.to_string())
                })
            });
            parsed.collect::<Result<_, _>>()?
        }
    };
    if !scopes.within(caller.scopes) {
        let detail = "a token gets only scopes that the credential making it has";
        return Err(Problem::at(&problem::SCOPE_NOT_YOURS, "/scopes", detail));
    }
    if new.expires_at.is_some_and(|at| at.0 <= now) {
        return Err(Problem::at(&problem::INVALID_BODY, "/expires_at", "this time is over"));
    }
    let (id, secret) = (state.ids.id(now), state.ids.token());
    let about = || Token {
        id,
        name: name.clone(),
        scopes: scopes.iter().map(Scope::as_str).collect(),
        created_at: Time(now),
        expires_at: new.expires_at,
    };
    let location = format!("/v1/tokens/{id}");
    // What is kept for a replay has no secret in it.
    let answer = Created { about: about(), token: None };
    let keep = once.keep(caller.account.id, StatusCode::CREATED, Some(location.clone()), &answer, now);
    let row = NewToken {
        account_id: caller.account.id,
        id,
        name: name.clone(),
        digest: token::digest(&secret),
        scopes: scopes.to_string(),
        expires_at: new.expires_at.map(|at| at.0),
    };
    let entry = by.entry(&state, "token.created", name.as_str());
    state.store.with(keep).audited(&entry).create_token(row, now).await?;
    Ok(kept(created(&location, &Created { about: about(), token: Some(secret) })))
}

/// Revokes a token at once.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "Tokens", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn revoke(State(state): State<AppState>, caller: Caller, by: By, Id(id): Id) -> Answered {
    let entry = by.entry(&state, "token.revoked", id.to_string());
    state.store.audited(&entry).revoke_token(caller.account.id, id, state.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
