//! What a node runs with, as ROS 2 shows it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;
use sinew_msgs::rcl_interfaces::{ParameterDescriptor, ParameterType, ParameterValue};

/// One parameter: what is said of it, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) descriptor: ParameterDescriptor,
    pub(crate) value: ParameterValue,
}

/// The parameters of a node by name, defaults included.
///
/// A map's fields have its name and a dot before theirs. What has no value is not declared. A value that ROS 2 has no type
/// for is shown as its text: a list of more than one type as JSON, an integer beyond 64 bits with sign by its digits.
/// Descriptions are those of the fields' own documentation. `dynamic` names those that may be set.
///
/// # Errors
/// Parameters that cannot be written as JSON, which is a mistake in their type.
pub(crate) fn declare<P: Serialize + JsonSchema>(
    parameters: &P,
    dynamic: &[&str],
) -> Result<BTreeMap<String, Declared>, serde_json::Error> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<P>().to_value();
    let mut declared = BTreeMap::new();
    flatten("", &serde_json::to_value(parameters)?, Some(&schema), &mut |name, value, schema| {
        let value = parameter_value(value, schema);
        let descriptor = ParameterDescriptor {
            name: name.to_owned(),
            r#type: value.r#type,
            description: schema.map(description).unwrap_or_default(),
            additional_constraints: schema.map(constraint).unwrap_or_default(),
            read_only: !dynamic.contains(&name),
            ..ParameterDescriptor::default()
        };
        declared.insert(name.to_owned(), Declared { descriptor, value });
    });
    Ok(declared)
}

fn flatten(
    name: &str,
    value: &Value,
    schema: Option<&Value>,
    tell: &mut impl FnMut(&str, &Value, Option<&Value>),
) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (field, value) in fields {
                let inner = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&inner, value, schema.and_then(|schema| property(schema, field)), tell);
            }
        }
        value => tell(name, value, schema),
    }
}

/// The alternatives of a schema: itself, and what stands behind `anyOf` and `oneOf`.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let lists = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
    std::iter::once(schema).chain(lists.flatten().flat_map(alternatives)).collect()
}

fn property<'a>(schema: &'a Value, field: &str) -> Option<&'a Value> {
    alternatives(schema).into_iter().find_map(|schema| schema.get("properties")?.get(field))
}

fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words that are allowed, where only some are.
fn constraint(schema: &Value) -> String {
    let words: Vec<_> = alternatives(schema)
        .into_iter()
        .flat_map(|schema| {
            let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
            listed.chain(schema.get("const"))
        })
        .filter_map(Value::as_str)
        .collect();
    if words.is_empty() { String::new() } else { format!("one of: {}", words.join(", ")) }
}

/// The type of a list's items, as far as the schema tells.
fn item_type(schema: Option<&Value>) -> Option<&str> {
    alternatives(schema?).into_iter().find_map(|s| s.get("items")?.get("type")?.as_str())
}

fn parameter_value(value: &Value, schema: Option<&Value>) -> ParameterValue {
    let mut made = ParameterValue::default();
    match value {
        Value::Bool(flag) => {
            (made.r#type, made.bool_value) = (ParameterType::PARAMETER_BOOL, *flag);
        }
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => {
                (made.r#type, made.integer_value) = (ParameterType::PARAMETER_INTEGER, integer);
            }
            (None, Some(double)) if number.is_f64() => {
                (made.r#type, made.double_value) = (ParameterType::PARAMETER_DOUBLE, double);
            }
            _ => return text(number.to_string()),
        },
        Value::String(word) => return text(word.clone()),
        Value::Array(items) => return list(items, item_type(schema)),
        other => return text(other.to_string()),
    }
    made
}

fn text(string_value: String) -> ParameterValue {
    let r#type = ParameterType::PARAMETER_STRING;
    ParameterValue { r#type, string_value, ..ParameterValue::default() }
}

fn list(items: &[Value], item_type: Option<&str>) -> ParameterValue {
    /// All items, if each is of this type; none of an empty list, which is of any.
    fn all<'a, T>(items: &'a [Value], as_type: fn(&'a Value) -> Option<T>) -> Option<Vec<T>> {
        items.iter().map(as_type).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
    }
    let mut made = ParameterValue::default();
    if let Some(flags) = all(items, Value::as_bool) {
        (made.r#type, made.bool_array_value) = (ParameterType::PARAMETER_BOOL_ARRAY, flags);
    } else if let Some(integers) = all(items, Value::as_i64) {
        let r#type = ParameterType::PARAMETER_INTEGER_ARRAY;
        (made.r#type, made.integer_array_value) = (r#type, integers);
    } else if let Some(doubles) = all(items, Value::as_f64) {
        (made.r#type, made.double_array_value) = (ParameterType::PARAMETER_DOUBLE_ARRAY, doubles);
    } else if let Some(words) = all(items, |item| item.as_str().map(str::to_owned)) {
        (made.r#type, made.string_array_value) = (ParameterType::PARAMETER_STRING_ARRAY, words);
    } else if items.is_empty() {
        made.r#type = match item_type {
            Some("boolean") => ParameterType::PARAMETER_BOOL_ARRAY,
            Some("integer") => ParameterType::PARAMETER_INTEGER_ARRAY,
            Some("number") => ParameterType::PARAMETER_DOUBLE_ARRAY,
            _ => ParameterType::PARAMETER_STRING_ARRAY,
        };
    } else {
        return text(Value::Array(items.to_vec()).to_string());
    }
    made
}

/// The name of a parameter's type.
pub(crate) fn type_name(r#type: u8) -> &'static str {
    match r#type {
        ParameterType::PARAMETER_NOT_SET => "not set",
        ParameterType::PARAMETER_BOOL => "bool",
        ParameterType::PARAMETER_INTEGER => "integer",
        ParameterType::PARAMETER_DOUBLE => "double",
        ParameterType::PARAMETER_STRING => "string",
        ParameterType::PARAMETER_BYTE_ARRAY => "byte array",
        ParameterType::PARAMETER_BOOL_ARRAY => "bool array",
        ParameterType::PARAMETER_INTEGER_ARRAY => "integer array",
        ParameterType::PARAMETER_DOUBLE_ARRAY => "double array",
        ParameterType::PARAMETER_STRING_ARRAY => "string array",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Serialize, JsonSchema)]
    struct Inner {
        /// Longest wait,
        /// in s.
        wait_s: f64,
        name: Option<String>,
    }

    #[derive(Clone, Copy, Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Way {
        /// The long one.
        Long,
        /// The short one.
        #[expect(dead_code, reason = "a word that is allowed and not chosen")]
        Short,
    }

    #[derive(Serialize, JsonSchema)]
    struct Parameters {
        inner: Option<Inner>,
        other: Option<Inner>,
        /// Which way.
        way: Way,
        seed: u64,
        gains: Vec<f64>,
        none: Vec<i64>,
        peers: Vec<String>,
        mixed: Value,
        on: bool,
    }

    fn parameters() -> BTreeMap<String, Declared> {
        let parameters = Parameters {
            inner: Some(Inner { wait_s: 2.0, name: None }),
            other: None,
            way: Way::Long,
            seed: u64::MAX,
            gains: vec![1.0, 2.5],
            none: Vec::new(),
            peers: vec!["a".into()],
            mixed: serde_json::json!([1, "b"]),
            on: true,
        };
        declare(&parameters, &["way"]).unwrap()
    }

    #[test]
    fn maps_are_flattened_and_what_has_no_value_is_left_out() {
        let declared = parameters();
        let names: Vec<_> = declared.keys().map(String::as_str).collect();
        let all = ["gains", "inner.wait_s", "mixed", "none", "on", "peers", "seed", "way"];
        assert_eq!(names, all);
    }

    #[test]
    fn values_keep_their_type_and_those_without_one_are_text() {
        let declared = parameters();
        let value = |name: &str| &declared[name].value;
        assert_eq!(value("inner.wait_s").double_value, 2.0);
        assert_eq!(value("inner.wait_s").r#type, ParameterType::PARAMETER_DOUBLE);
        assert_eq!(value("gains").double_array_value, [1.0, 2.5]);
        assert_eq!(value("none").r#type, ParameterType::PARAMETER_INTEGER_ARRAY);
        assert_eq!(value("peers").string_array_value, ["a"]);
        assert_eq!(value("mixed").string_value, r#"[1,"b"]"#);
        assert_eq!(value("seed").string_value, u64::MAX.to_string());
        assert_eq!(value("seed").r#type, ParameterType::PARAMETER_STRING);
        assert!(value("on").bool_value);
        assert_eq!(value("way").string_value, "long");
    }

    #[test]
    fn descriptions_and_allowed_words_come_from_the_documentation_of_the_fields() {
        let declared = parameters();
        let descriptor = |name: &str| &declared[name].descriptor;
        assert_eq!(descriptor("inner.wait_s").description, "Longest wait, in s.");
        assert_eq!(descriptor("way").description, "Which way.");
        assert_eq!(descriptor("way").additional_constraints, "one of: long, short");
        assert!(!descriptor("way").read_only);
        assert!(descriptor("on").read_only);
    }
}
