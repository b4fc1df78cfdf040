use std::io::Cursor;
use std::process::Command;

use sinew_driver_sim::{SimDriver, SimError};

use crate::rig::tabletop;

#[test]
fn each_camera_gives_a_picture_that_shows_something() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let (_driver, seen) = SimDriver::new(world, &scene).unwrap();
    let mut renderer = seen.renderer();
    assert_eq!(renderer.cameras(), ["overview", "head", "wrist"]);
    for camera in renderer.cameras() {
        let bytes = match renderer.picture(&camera, 160, 120) {
            Err(error @ SimError::NoOpenGl { .. }) => {
                println!("skipped: {error}");
                return;
            }
            picture => picture.unwrap(),
        };
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (160, 120));
        let mut shades = pixels.clone();
        shades.sort_unstable();
        shades.dedup();
        assert!(shades.len() > 20, "{camera}: {} shades", shades.len());
    }
}

#[test]
fn an_unknown_camera_and_a_bad_size_are_refused_with_what_is_allowed() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let (_driver, seen) = SimDriver::new(world, &scene).unwrap();
    let mut renderer = seen.renderer();
    let error = renderer.picture("belly", 64, 64).unwrap_err().to_string();
    assert!(error.contains("`belly`") && error.contains("overview, head, wrist"), "{error}");
    let error = renderer.picture("head", 64, 5000).unwrap_err().to_string();
    assert!(error.contains("64 x 5000") && error.contains("16 to 1920"), "{error}");
}

#[test]
fn without_opengl_the_packages_are_named_and_all_else_works() {
    const CHILD: &str = "SINEW_TEST_WITHOUT_OPENGL";
    if std::env::var_os(CHILD).is_none() {
        // EGL reads its drivers' folder at its first use, so it takes a process of its own.
        let test = "pictures::without_opengl_the_packages_are_named_and_all_else_works";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, "1")
            .env("__EGL_VENDOR_LIBRARY_DIRS", "/nonexistent")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let mut rig = crate::rig::Rig::new(world, &scene);
    let error = rig.seen.renderer().picture("overview", 64, 64).unwrap_err().to_string();
    assert!(error.contains("libegl1 libegl-mesa0 libgl1-mesa-dri"), "{error}");
    rig.wait(0.1);
    assert!(rig.state.joints.iter().all(|joint| joint.valid));
}
