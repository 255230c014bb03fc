//! Whether the settings of a policy are within the ranges that their schema states.
//!
//! The types say what a setting is, their schema between which numbers; serde only knows the
//! types. A scenario's own reader checks ranges with positions; this is for policy files.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::settings::Settings;

/// Checks `{name: {settings}}`. A key that the schema lacks is serde's business.
pub(crate) fn check(tagged: &Value) -> Result<(), String> {
    let generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let schema = generator.into_root_schema_for::<Settings>();
    let alternatives = schema.get("anyOf").and_then(Value::as_array);
    alternatives.into_iter().flatten().try_for_each(|schema| walk("", tagged, schema))
}

fn walk(name: &str, value: &Value, schema: &Value) -> Result<(), String> {
    if let Some(number) = value.as_f64() {
        let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
        let (low, high) = (limit("minimum"), limit("maximum"));
        if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
            let text = |limit: Option<f64>| limit.map_or("any".to_owned(), |l| l.to_string());
            return Err(format!("`{name}` is {number}; expected {} to {}", text(low), text(high)));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let (Some(object), Some(properties)) = (value.as_object(), properties) else {
        return Ok(());
    };
    object
        .iter()
        .filter_map(|(key, value)| Some((key, value, properties.get(key)?)))
        .try_for_each(|(key, value, schema)| walk(key, value, schema))
}
