use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// What `$(…)` may refer to while one launch file is read.
pub(super) struct Scope<'a> {
    /// Values of `arg` and `let`.
    pub variables: &'a BTreeMap<String, String>,
    /// Folder of the launch file.
    pub folder: &'a Path,
    /// Where the shared files of package `sinew` lie.
    pub share: &'a Path,
}

impl Scope<'_> {
    /// Replaces each `$(…)` of `text`; an error says what is wrong and what is allowed.
    pub(super) fn resolve(&self, text: &str) -> Result<String, String> {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("$(") {
            done.push_str(&rest[..start]);
            let Some(length) = rest[start..].find(')') else {
                return Err("`$(` without `)`".into());
            };
            done.push_str(&self.resolve_one(&rest[start + 2..start + length])?);
            rest = &rest[start + length + 1..];
        }
        done.push_str(rest);
        Ok(done)
    }

    /// As [`Self::resolve`]; numbers, booleans and lists pass as they are written.
    pub(super) fn resolve_value(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) => {
                let resolved = self.resolve(text)?;
                // As in ROS 2, a value that came out of a substitution is typed like YAML.
                if resolved == *text { Ok(value.clone()) } else { Ok(typed(&resolved)) }
            }
            Value::Array(items) => items
                .iter()
                .map(|i| self.resolve_value(i))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            other => Ok(other.clone()),
        }
    }

    fn resolve_one(&self, inner: &str) -> Result<String, String> {
        let mut words = inner.split_whitespace();
        let (kind, first, second) = (words.next(), words.next(), words.next());
        if words.next().is_some() {
            return Err(format!("`$({inner})` has too many words"));
        }
        match (kind, first, second) {
            (Some("var"), Some(name), None) => self.variables.get(name).cloned().ok_or_else(|| {
                let known: Vec<_> = self.variables.keys().map(String::as_str).collect();
                format!("variable `{name}` is not declared (declared: {})", known.join(", "))
            }),
            (Some("env"), Some(name), default) => match (std::env::var(name), default) {
                (Ok(value), _) => Ok(value),
                (Err(_), Some(default)) => Ok(default.into()),
                (Err(_), None) => Err(format!("environment variable `{name}` is not set")),
            },
            (Some("dirname"), None, None) => Ok(self.folder.display().to_string()),
            (Some("find-pkg-share"), Some("sinew"), None) => Ok(self.share.display().to_string()),
            (Some("find-pkg-share"), Some(other), None) => {
                Err(format!("package `{other}` is not known (known: sinew)"))
            }
            _ => Err(format!(
                "`$({inner})` is not a substitution (allowed: $(var NAME), $(env NAME [DEFAULT]), \
                 $(dirname), $(find-pkg-share sinew))"
            )),
        }
    }
}

/// A scalar as YAML types it.
fn typed(text: &str) -> Value {
    match text {
        "true" | "True" => return Value::Bool(true),
        "false" | "False" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => float.into(),
        _ => text.into(),
    }
}

/// The scalar as it would be written.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
