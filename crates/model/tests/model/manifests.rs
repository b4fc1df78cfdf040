//! Manifests: the shipped ones load, wrong ones say what is wrong, the committed schema is current.

use crate::common::{registry, root, tabletop};
use serde_json::json;
use sinew_model::{SkillManifest, SkillRegistry};

#[test]
fn the_shipped_skills_load() {
    let ids: Vec<_> = registry().iter().map(|skill| skill.id.clone()).collect();
    for id in ["drive_to", "home", "look_at", "pick", "place", "reach", "wait"] {
        assert!(ids.iter().any(|own| own == id), "{id} is missing in {ids:?}");
    }
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let file = root().join("docs/schema/skill.schema.json");
    let current = serde_json::to_string_pretty(&SkillManifest::json_schema()).unwrap() + "\n";
    if std::env::var_os("SINEW_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    assert_eq!(committed, current, "run again with SINEW_BLESS=1 and commit the change");
}

#[test]
fn the_shipped_skills_fit_the_committed_schema() {
    let validator = jsonschema::validator_for(&SkillManifest::json_schema()).unwrap();
    for skill in registry().iter() {
        let json = serde_json::to_value(skill).unwrap();
        let faults: Vec<_> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", skill.id);
        assert_eq!(serde_json::from_value::<SkillManifest>(json).unwrap(), *skill);
    }
}

#[test]
fn each_invalid_manifest_names_field_value_and_what_is_allowed() {
    let dir = root().join("tests/cases");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("invalid-skill-") && name.ends_with(".yaml")) {
            continue;
        }
        seen += 1;
        let error = SkillRegistry::load_files(&[&file]).expect_err(&name).to_string();
        let expect = std::fs::read_to_string(format!("{}.expect", file.display())).unwrap();
        for wanted in expect.lines().filter(|line| !line.trim().is_empty()) {
            assert!(error.contains(wanted), "{name}: `{wanted}` is not in: {error}");
        }
        assert!(error.contains(&name), "{name} is not named in: {error}");
    }
    assert!(seen >= 4, "only {seen} cases");
}

#[test]
fn a_second_skill_of_the_same_id_is_refused() {
    let file = root().join("crates/skills/manifests/home.skill.yaml");
    let error = SkillRegistry::load_files(&[&file, &file]).unwrap_err().to_string();
    assert!(error.contains("id: `home`: used by two skills"), "{error}");
}

#[test]
fn arguments_are_checked_by_schema_and_world() {
    let (registry, world) = (registry(), tabletop());
    let fault = |skill: &str, args| registry.ground(skill, &args, &world).unwrap_err().to_string();
    let hover = json!({"target": "red_cube", "hover_m": 0.9});
    assert!(fault("reach", hover).contains("/hover_m: 0.9 is greater than the maximum of 0.2"));
    assert!(fault("pick", json!({})).contains("\"object\" is a required property"));
    assert!(fault("pick", json!({"object": "dragon"})).contains("known: bin, blue_cube"));
    let on_cube = json!({"object": "red_cube", "destination": "green_cube", "relation": "under"});
    assert!(fault("place", on_cube).contains("\"under\" is not one of"));
    assert!(fault("fly", json!({})).contains("known: drive_to, home"));
    let ground = registry.ground("reach", &json!({"target": "red_cube"}), &world).unwrap();
    assert_eq!(ground.args["hover_m"], 0.1, "the default is filled in");
}
