use std::error::Error;
use std::path::PathBuf;

use sinew_driver_sim::World;

use crate::rig::{repository, tabletop};

fn yaml_files(folder: &str, prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    files.sort();
    files
}

/// The error and its causes, as a user sees them.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!("\n{cause}");
        source = cause.source();
    }
    text
}

#[test]
fn each_shipped_world_loads_and_has_a_scene() {
    let mut files = yaml_files("worlds", "");
    // Beside a world may lie what an evaluation asks for in it.
    files.retain(|file| !file.to_string_lossy().ends_with(".eval.yaml"));
    assert!(files.len() >= 2);
    for file in files {
        let world = World::load(&file).unwrap_or_else(|error| panic!("{}", chain(&error)));
        world.scene().unwrap();
    }
}

#[test]
fn each_invalid_world_is_refused_with_file_field_value_and_what_is_allowed() {
    let files = yaml_files("tests/cases", "invalid-world-");
    assert!(files.len() >= 6);
    for file in files {
        let error = World::load(&file)
            .and_then(|world| world.scene())
            .err()
            .unwrap_or_else(|| panic!("{} is accepted", file.display()));
        let text = chain(&error);
        let expected = std::fs::read_to_string(file.with_extension("yaml.expect")).unwrap();
        for part in expected.lines() {
            assert!(text.contains(part), "{}: no `{part}` in:\n{text}", file.display());
        }
    }
}

#[test]
fn a_seed_gives_one_scene_and_the_ranges_are_used_and_kept() {
    let world = tabletop();
    assert_eq!(world.sample(5).unwrap(), world.sample(5).unwrap());
    let nominal = world.nominal().unwrap();
    let (mut low, mut high) = ([f64::MAX; 8], [f64::MIN; 8]);
    for seed in 0..300 {
        let scene = world.sample(seed).unwrap();
        let bin = scene.fixtures[2].map_from_fixture.translation.vector
            - nominal.fixtures[2].map_from_fixture.translation.vector;
        assert_eq!(scene.fixtures[0], nominal.fixtures[0], "the table stands");
        let start = scene.robot_start;
        assert!(start.x_m.hypot(start.y_m) <= 0.3);
        let places: Vec<_> =
            scene.objects.iter().map(|o| o.map_from_object.translation.vector).collect();
        for (i, place) in places.iter().enumerate() {
            assert!((place.z - 0.42).abs() < 1e-12);
            for other in &places[..i] {
                assert!((place - other).norm() >= 0.12);
            }
        }
        let object = &scene.objects[0];
        let values = [
            bin.x,
            bin.y,
            start.yaw_rad,
            places[0].x - 1.3,
            places[0].y,
            object.mass_kg / 0.1,
            object.friction / 0.9,
            object.map_from_object.rotation.euler_angles().2,
        ];
        for (i, value) in values.iter().enumerate() {
            low[i] = low[i].min(*value);
            high[i] = high[i].max(*value);
        }
    }
    let ranges = [
        ("bin x", -0.2, 0.2),
        ("bin y", -0.2, 0.2),
        ("start yaw", -0.5, 0.5),
        ("cube x", -0.2, 0.2),
        ("cube y", -0.25, 0.25),
        ("mass", 0.7, 1.3),
        ("friction", 0.7, 1.3),
        ("cube yaw", -std::f64::consts::PI, std::f64::consts::PI),
    ];
    for (i, (name, lowest, highest)) in ranges.into_iter().enumerate() {
        let margin = 0.05 * (highest - lowest);
        assert!(
            low[i] >= lowest - 1e-9 && high[i] <= highest + 1e-9,
            "{name}: {} to {}",
            low[i],
            high[i]
        );
        assert!(
            low[i] < lowest + margin && high[i] > highest - margin,
            "{name}: {} to {}",
            low[i],
            high[i]
        );
    }
}
