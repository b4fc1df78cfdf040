use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach a language model: any server that speaks OpenAI's chat completions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LlmConfig {
    /// `http://` or `https://`, with the version: `http://localhost:8080/v1`.
    pub base_url: String,
    /// The model's name on the server.
    pub model: String,
    /// The environment variable that holds the key; none for servers that want none. The key itself is
    /// never in a file.
    pub api_key_env: Option<String>,
    /// One request must be answered within this time, s.
    pub attempt_timeout_s: f64,
    /// Planning ends within this time, whatever happens, s.
    pub total_timeout_s: f64,
    /// How often a request is repeated after 429, 5xx, a lost connection or no answer in time.
    pub max_retries: u32,
    /// Longest answer, tokens.
    pub max_tokens: u32,
    /// 0 for the likeliest answer.
    pub temperature: f64,
    /// For servers that repeat themselves by seed.
    pub seed: Option<u64>,
}

impl Default for LlmConfig {
    fn default() -> Self {
        Self {
            base_url: "http://localhost:8080/v1".into(),
            model: "default".into(),
            api_key_env: None,
            attempt_timeout_s: 30.0,
            total_timeout_s: 60.0,
            max_retries: 2,
            max_tokens: 2048,
            temperature: 0.0,
            seed: Some(0),
        }
    }
}

/// What is wrong with an [`LlmConfig`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: `{value}` is not allowed; allowed: {allowed}")]
pub struct LlmConfigError {
    /// Which field.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl LlmConfig {
    /// Checks each field, and reads the key.
    pub(crate) fn check(&self) -> Result<Option<String>, LlmConfigError> {
        let fail = |field, value: String, allowed| Err(LlmConfigError { field, value, allowed });
        if !(self.base_url.starts_with("http://") || self.base_url.starts_with("https://")) {
            return fail("base_url", self.base_url.clone(), "http://... or https://...");
        }
        for (field, value) in [
            ("attempt_timeout_s", self.attempt_timeout_s),
            ("total_timeout_s", self.total_timeout_s),
        ] {
            if !(value > 0.0 && value <= 3600.0) {
                return fail(field, value.to_string(), "more than 0, at most 3600");
            }
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return fail("temperature", self.temperature.to_string(), "0 to 2");
        }
        if self.max_tokens == 0 {
            return fail("max_tokens", "0".into(), "at least 1");
        }
        match &self.api_key_env {
            None => Ok(None),
            Some(name) => match std::env::var(name) {
                Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
                _ => {
                    fail("api_key_env", name.clone(), "an environment variable that holds the key")
                }
            },
        }
    }

    pub(crate) fn attempt_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.attempt_timeout_s)
    }

    pub(crate) fn total_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.total_timeout_s)
    }
}
