//! Objects and pictures from another system's standard messages: the perception node in a robot's place for perception.

mod pictures;
mod rig;
mod task;

use serde_json::{Value, json};
use sinew_bus::Bus;
use sinew_nodes::{ObjectClasses, PerceptionNode};

use crate::external_rig::root;
use rig::arguments;

#[test]
fn the_committed_schema_is_up_to_date_and_the_shipped_file_is_read() {
    let path = root().join("docs/schema/objects.schema.json");
    let schema = schemars::schema_for!(ObjectClasses);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("SINEW_UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/schema/objects.schema.json differs from the code; run SINEW_UPDATE_SCHEMAS=1 \
         cargo test --workspace --test nodes perception, and look at the diff"
    );
    let shipped = root().join("launch/tabletop.objects.yaml");
    ObjectClasses::load(&shipped).unwrap();
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(shipped).unwrap()).unwrap();
    assert!(jsonschema::is_valid(&schema.to_value(), &file));
}

#[test]
fn parameters_that_are_wrong_or_of_no_use_are_refused_with_what_is_allowed() {
    let robot = root().join("urdf/mobi.robot.yaml");
    let objects = root().join("launch/tabletop.objects.yaml");
    for (more, expected) in [
        (json!({"associate_within_m": 0.0}), "associate_within_m: 0; allowed: above 0"),
        (json!({"max_picture_age_s": -1}), "max_picture_age_s: -1; allowed: above 0 up to 86400"),
        (
            json!({"max_picture_age_s": 2, "pictures": false}),
            "max_picture_age_s: given; allowed: only with pictures",
        ),
        (json!({"object": "x"}), "unknown field `object`"),
        (json!({"objects": "nowhere.objects.yaml"}), "nowhere.objects.yaml: cannot be read"),
    ] {
        let mut parameters = json!({"robot": robot, "objects": objects});
        let (Value::Object(all), Value::Object(more)) = (&mut parameters, more) else { panic!() };
        all.extend(more);
        let arguments = arguments("perception", parameters, &[]);
        let error = PerceptionNode::new(&Bus::in_process(), &arguments).err().unwrap().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
