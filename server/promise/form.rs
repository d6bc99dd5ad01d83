//! Forms: an answer that a JSON Schema (draft 2020-12) describes.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// Octets of a schema.
pub const LONGEST_SCHEMA: usize = 32 * 1024;
/// Levels of a schema.
const DEEPEST: usize = 32;
/// What is told of one answer at most.
const MOST_ERRORS: usize = 20;
/// Octets of a compiled pattern.
const PATTERN: usize = 1 << 20;

/// Checks that a schema can be a form.
///
/// # Errors
/// Where within the schema, and why not.
pub fn check(schema: &Value) -> Result<(), (String, String)> {
    let bad = |pointer: &str, detail: &str| Err((pointer.to_owned(), detail.to_owned()));
    if schema.to_string().len() > LONGEST_SCHEMA {
        return Err((String::new(), format!("A form has at most {LONGEST_SCHEMA} octets.")));
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return bad("/type", "A form is an object: {\"type\": \"object\", \"properties\": …}.");
    }
    stands_alone(schema, "", 0)?;
    compiled(schema).map(drop).map_err(|error| (String::new(), format!("This is no JSON Schema: {error}")))
}

/// A reference could lead in a circle, or to somebody else's server.
fn stands_alone(schema: &Value, at: &str, depth: usize) -> Result<(), (String, String)> {
    if depth > DEEPEST {
        return Err((at.to_owned(), format!("A form has at most {DEEPEST} levels.")));
    }
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                let refers =
                    matches!(name.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef" | "$id" | "$schema");
                if refers && value.is_string() && !(name == "$schema" && is_2020(value)) {
                    let detail = "A form stands on its own: no references, and draft 2020-12.";
                    return Err((place, detail.to_owned()));
                }
                stands_alone(value, &place, depth + 1)?;
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| stands_alone(item, &format!("{at}/{n}"), depth + 1)),
        _ => Ok(()),
    }
}

fn is_2020(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|uri| uri.trim_end_matches('#') == "https://json-schema.org/draft/2020-12/schema")
}

fn compiled(schema: &Value) -> Result<Validator, String> {
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        // Patterns that take no more time than the text is long.
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN).dfa_size_limit(PATTERN));
    options.build(schema).map_err(|error| error.to_string())
}

/// Checks an answer against its form: each place in it that does not fit, and why.
#[must_use]
pub fn errors(schema: &Value, value: &Value) -> Vec<(String, String)> {
    match compiled(schema) {
        Ok(validator) => {
            let errors = validator.iter_errors(value).take(MOST_ERRORS);
            errors.map(|error| (error.instance_path().to_string(), error.to_string())).collect()
        }
        Err(error) => vec![(String::new(), error)],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_is_a_schema_that_stands_on_its_own() {
        let form = json!({ "type": "object", "required": ["n"], "additionalProperties": false,
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "properties": { "n": { "type": "integer", "minimum": 1 }, "s": { "type": "string", "pattern": "^(a+)+$" } } });
        check(&form).unwrap();
        assert_eq!(errors(&form, &json!({ "n": 2, "s": "aaa" })), []);
        let wrong = errors(&form, &json!({ "n": 0, "x": 1 }));
        assert!(wrong.iter().any(|(at, why)| at == "/n" && why.contains('1')), "{wrong:?}");
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        let hard = format!("{}b", "a".repeat(50_000));
        assert_eq!(errors(&form, &json!({ "n": 1, "s": hard })).len(), 1);
        for (schema, at) in [
            (json!(true), "/type"),
            (json!({ "type": "string" }), "/type"),
            (json!({ "type": "object", "$ref": "#" }), "/$ref"),
            (
                json!({ "type": "object", "properties": { "a": { "$ref": "http://x.test/" } } }),
                "/properties/a/$ref",
            ),
            (json!({ "type": "object", "$schema": "http://json-schema.org/draft-04/schema#" }), "/$schema"),
            (json!({ "type": "object", "properties": { "a": { "type": "strin" } } }), ""),
            (json!({ "type": "object", "properties": { "a": { "pattern": "(" } } }), ""),
            (json!({ "type": "object", "description": "x".repeat(LONGEST_SCHEMA) }), ""),
        ] {
            assert_eq!(check(&schema).unwrap_err().0, at, "{schema}");
        }
        let mut deep = json!({});
        (0..40).for_each(|_| deep = json!({ "not": deep }));
        assert!(check(&json!({ "type": "object", "not": deep })).is_err());
    }
}
