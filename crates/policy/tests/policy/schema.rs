//! The committed JSON Schema is that of the code.

use sinew_policy::PolicyManifest;

#[test]
fn the_committed_schema_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/policy.schema.json");
    let schema = schemars::schema_for!(PolicyManifest);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("SINEW_UPDATE_SCHEMAS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/schema/policy.schema.json differs from the code; \
         run SINEW_UPDATE_SCHEMAS=1 cargo test --workspace --test policy schema, and look at the diff"
    );
}
