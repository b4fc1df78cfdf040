//! One chat completion over HTTP, repeated where that may help, within a deadline.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::debug;

use super::config::LlmConfig;

/// A turn of the conversation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) role: &'static str,
    pub(crate) content: String,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answer,
}

#[derive(Deserialize)]
struct Answer {
    content: Option<String>,
}

/// Why an attempt failed, and whether another may help.
struct Failure {
    reason: String,
    /// None: another attempt does not help. Else the server's wish how long to wait, if it has one.
    retry: Option<Option<Duration>>,
}

pub(crate) struct Client {
    config: LlmConfig,
    key: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    /// Answers are not read beyond this, bytes.
    const MAX_BODY: u64 = 1 << 20;
    /// Before the first repetition; doubled for each further one.
    const FIRST_BACKOFF: Duration = Duration::from_millis(500);

    pub(crate) fn new(config: LlmConfig, key: Option<String>) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("sinew/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { config, key, agent }
    }

    /// The model's answer, as text.
    ///
    /// # Errors
    /// What happened last; not later than `deadline`.
    pub(crate) fn chat(
        &self,
        messages: &[Message],
        schema: &Value,
        deadline: Instant,
    ) -> Result<String, String> {
        let mut body = json!({
            "model": self.config.model,
            "messages": messages,
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
            "stream": false,
            "response_format": {
                "type": "json_schema",
                "json_schema": { "name": "plan", "strict": true, "schema": schema },
            },
        });
        if let Some(seed) = self.config.seed {
            body["seed"] = seed.into();
        }
        let mut backoff = Self::FIRST_BACKOFF;
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(&body, deadline) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            debug!(attempt, reason = failure.reason, "chat completion failed");
            let Some(wish) = failure.retry else { return Err(failure.reason) };
            if attempt > self.config.max_retries {
                return Err(format!("{} (attempt {attempt}, the last)", failure.reason));
            }
            let pause = wish.unwrap_or(backoff);
            let left = deadline.saturating_duration_since(Instant::now());
            if pause >= left {
                let (pause, left) = (pause.as_secs_f64(), left.as_secs_f64());
                return Err(format!(
                    "{}; a repetition in {pause:.1} s would be too late, {left:.1} s are left",
                    failure.reason
                ));
            }
            std::thread::sleep(pause);
            backoff *= 2;
            attempt += 1;
        }
    }

    fn attempt(&self, body: &Value, deadline: Instant) -> Result<String, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = left.min(self.config.attempt_timeout());
        if timeout.is_zero() {
            return Err(Failure { reason: "no time left".into(), retry: None });
        }
        let url = format!("{}/chat/completions", self.config.base_url.trim_end_matches('/'));
        let mut request = self.agent.post(&url).config().timeout_global(Some(timeout)).build();
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let lost = |error: ureq::Error| Failure {
            reason: match error {
                ureq::Error::Timeout(_) => {
                    format!("{url}: no answer within {:.1} s", timeout.as_secs_f64())
                }
                other => format!("{url}: {other}"),
            },
            retry: Some(None),
        };
        let mut response = request.send_json(body).map_err(lost)?;
        let status = response.status().as_u16();
        let wish = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok())
            .filter(|seconds| (0.0..=86_400.0).contains(seconds))
            .map(Duration::from_secs_f64);
        let reader = response.body_mut().with_config().limit(Self::MAX_BODY);
        let text = reader.read_to_string().map_err(lost)?;
        match status {
            200 => content(&text)
                .map_err(|reason| Failure { reason: format!("{url}: {reason}"), retry: None }),
            429 | 500..=599 => Err(Failure {
                reason: format!("{url}: HTTP {status}: {}", excerpt(&text)),
                retry: Some(wish),
            }),
            _ => Err(Failure {
                reason: format!("{url}: HTTP {status}: {}", excerpt(&text)),
                retry: None,
            }),
        }
    }
}

fn content(body: &str) -> Result<String, String> {
    let completion: Completion = serde_json::from_str(body)
        .map_err(|error| format!("no chat completion ({error}): {}", excerpt(body)))?;
    completion
        .choices
        .into_iter()
        .next()
        .and_then(|choice| choice.message.content)
        .ok_or_else(|| "a chat completion without content".into())
}

/// The beginning of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS: usize = 200;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
