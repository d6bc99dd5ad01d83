//! What an account's owner likes the inbox to be like, the same in every browser.

use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{Answered, line};
use crate::http::AppState;
use crate::http::access::Caller;
use crate::http::body::Json;
use crate::http::problem::{self, Problem};

/// The choices. What is null was not chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A BCP 47 language tag.
    language: Option<String>,
    /// `system`, `light` or `dark`.
    theme: Option<String>,
    /// `roomy`, `cosy` or `compact`.
    density: Option<String>,
    /// Whether single keys act.
    keys: Option<bool>,
    /// Seconds in which what was sent can be taken back, 0 to 30.
    undo_seconds: Option<u8>,
}

/// The same, telling null (forget it) from absent (leave it).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = SettingsChange)]
pub struct Change {
    #[serde(deserialize_with = "given")]
    language: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    theme: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    density: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    keys: Option<Option<bool>>,
    #[serde(deserialize_with = "given")]
    undo_seconds: Option<Option<u8>>,
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Settings {
    async fn of(state: &AppState, caller: &Caller) -> Result<Self, Problem> {
        let text = state.store.preference(caller.account.id).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn check(&self) -> Result<(), Problem> {
        let one_of = |pointer: &str, value: &Option<String>, allowed: &[&str]| match value {
            Some(value) if !allowed.contains(&value.as_str()) => {
                Err(Problem::at(&problem::INVALID_BODY, pointer, format!("one of {}", allowed.join(", "))))
            }
            _ => Ok(()),
        };
        if let Some(language) = &self.language {
            line("/language", language, 35)?;
        }
        one_of("/theme", &self.theme, &["system", "light", "dark"])?;
        one_of("/density", &self.density, &["roomy", "cosy", "compact"])?;
        if self.undo_seconds.is_some_and(|seconds| seconds > 30) {
            return Err(Problem::at(&problem::INVALID_BODY, "/undo_seconds", "0 to 30"));
        }
        Ok(())
    }
}

/// Reads the choices.
#[utoipa::path(get, path = "/v1/me/settings", tag = "Account", responses((status = 200, body = Settings)))]
pub async fn get(State(state): State<AppState>, caller: Caller) -> Answered {
    Ok(axum::Json(Settings::of(&state, &caller).await?).into_response())
}

/// Changes some of the choices; null forgets one.
#[utoipa::path(patch, path = "/v1/me/settings", tag = "Account", request_body = Change, responses((status = 200, body = Settings)))]
pub async fn change(State(state): State<AppState>, caller: Caller, Json(change): Json<Change>) -> Answered {
    let mut settings = Settings::of(&state, &caller).await?;
    let Change { language, theme, density, keys, undo_seconds } = change;
    settings.language = language.unwrap_or(settings.language);
    settings.theme = theme.unwrap_or(settings.theme);
    settings.density = density.unwrap_or(settings.density);
    settings.keys = keys.unwrap_or(settings.keys);
    settings.undo_seconds = undo_seconds.unwrap_or(settings.undo_seconds);
    settings.check()?;
    let text = serde_json::to_string(&settings).unwrap_or_default();
    state.store.set_preference(caller.account.id, text, state.clock.now_ms()).await?;
    Ok(axum::Json(settings).into_response())
}
