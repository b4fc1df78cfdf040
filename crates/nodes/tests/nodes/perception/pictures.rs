use serde_json::json;
use sinew_bus::{Publisher, names};
use sinew_msgs::diagnostic_msgs::DiagnosticStatus;
use sinew_msgs::sensor_msgs::{CameraInfo, CompressedImage, Image};
use sinew_msgs::sinew_msgs::{TakePictureRequest, TakePictureResponse};
use sinew_msgs::std_msgs::Header;

use super::rig::Rig;

fn picture(rig: &mut Rig, camera: &str) -> TakePictureResponse {
    let client = rig.node.service_client(&names::TAKE_PICTURE).unwrap();
    let mut call = client.call(&TakePictureRequest { camera: camera.into() });
    rig.until(1.0, |_| call.poll()).unwrap()
}

fn refused(rig: &mut Rig, camera: &str) -> String {
    let answer = picture(rig, camera);
    assert!(!answer.success && answer.png.zslices().next().is_none(), "{}", answer.error_msg);
    answer.error_msg
}

/// Colour of the first pixel, and size.
fn read(answer: &TakePictureResponse) -> ([u8; 3], (u32, u32)) {
    assert!(answer.success, "{}", answer.error_msg);
    let bytes: Vec<u8> = answer.png.zslices().flat_map(|part| part.iter().copied()).collect();
    let read = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png).unwrap();
    let rgb = read.into_rgb8();
    assert_eq!((rgb.width(), rgb.height()), (answer.width, answer.height));
    (rgb.get_pixel(0, 0).0, (rgb.width(), rgb.height()))
}

fn green(rig: &Rig) -> Image {
    let header = Header { stamp: rig.tick.stamp, frame_id: "head_camera_optical_frame".into() };
    let (width, height) = (4, 2);
    let data = [9, 200, 7].repeat(8).into();
    Image { header, width, height, encoding: "bgr8".into(), step: 12, data, is_bigendian: 0 }
}

/// What is told of the head camera, in the second second from now at the latest.
fn told(rig: &mut Rig) -> DiagnosticStatus {
    let diagnostics = rig.node.subscription(&names::DIAGNOSTICS).unwrap();
    rig.until(2.0, |_| {
        let told = diagnostics.take()?.message;
        told.status.into_iter().find(|status| status.name == "mobi/perception: camera head")
    })
}

#[test]
fn the_newest_picture_of_a_camera_is_given_and_an_old_one_is_refused() {
    let mut rig = Rig::new(json!({}));
    rig.run(1.0);
    let error = refused(&mut rig, "head");
    assert!(error.ends_with("no picture yet on /mobi/head/image_raw"), "{error}");
    let error = refused(&mut rig, "overview");
    assert_eq!(error, "camera `overview` is not known; known: head, wrist");
    assert_eq!(told(&mut rig).message, "no picture yet");

    let raw: Publisher<Image> = rig.node.publisher(&names::image_raw("head")).unwrap();
    let sent = green(&rig);
    raw.publish(&sent).unwrap();
    let answer = picture(&mut rig, "head");
    assert_eq!(read(&answer), ([7, 200, 9], (4, 2)));
    assert_eq!(
        (answer.stamp.sec, answer.stamp.nanosec),
        (sent.header.stamp.sec, sent.header.stamp.nanosec)
    );
    rig.run(1.5);
    let error = refused(&mut rig, "head");
    assert!(error.contains("the newest picture is 1.5 s old; allowed: 1 s"), "{error}");
    assert!(told(&mut rig).message.starts_with("no picture for "));

    raw.publish(&Image { encoding: "16UC1".into(), ..green(&rig) }).unwrap();
    let error = refused(&mut rig, "head");
    assert!(error.starts_with("camera `head`: encoding `16UC1`; allowed: rgb8"), "{error}");

    let mut ahead = green(&rig);
    ahead.header.stamp.sec += 1_000_000;
    raw.publish(&ahead).unwrap();
    let error = refused(&mut rig, "head");
    assert!(error.contains("ahead of the robot's newest state"), "{error}");
    assert!(told(&mut rig).message.contains("ahead"));
    // It does not stand before those that come after it.
    raw.publish(&green(&rig)).unwrap();
    assert_eq!(read(&picture(&mut rig, "head")).1, (4, 2));
}

#[test]
fn compressed_pictures_are_given_and_an_older_one_replaces_nothing() {
    let mut rig = Rig::with(json!({}), json!({"image_transport": "compressed"}));
    rig.run(1.0);
    let error = refused(&mut rig, "head");
    assert!(error.ends_with("no picture yet on /mobi/head/image_raw/compressed"), "{error}");
    let compressed = rig.node.publisher(&names::image_compressed("head")).unwrap();
    let mut header = green(&rig).header;
    for (width, later_by_s) in [(16, 0), (24, -1)] {
        let mut jpeg = std::io::Cursor::new(Vec::new());
        let drawn = image::DynamicImage::new_luma8(width, 8);
        drawn.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        header.stamp.sec += later_by_s;
        let (header, data) = (header.clone(), jpeg.into_inner().into());
        compressed.publish(&CompressedImage { header, format: "jpeg".into(), data }).unwrap();
        assert_eq!(read(&picture(&mut rig, "head")).1, (16, 8));
    }
}

#[test]
fn a_camera_info_of_another_size_than_the_pictures_is_told() {
    let mut rig = Rig::new(json!({}));
    rig.run(1.0);
    let info: Publisher<CameraInfo> = rig.node.publisher(&names::camera_info("head")).unwrap();
    info.publish(&CameraInfo { width: 640, height: 480, ..CameraInfo::default() }).unwrap();
    rig.node.publisher(&names::image_raw("head")).unwrap().publish(&green(&rig)).unwrap();
    let status = told(&mut rig);
    assert_eq!(status.message, "pictures of 4 x 2 pixels, camera_info of 640 x 480");
    assert_eq!(status.level, 1_u8);
}

#[test]
fn a_simulated_camera_that_is_published_is_what_the_perception_node_gives() {
    let mut rig = Rig::new(json!({"publish_cameras": ["head"], "camera_rate_hz": 5.0}));
    let images = rig.node.subscription(&names::image_raw("head")).unwrap();
    let infos = rig.node.subscription(&names::camera_info("head")).unwrap();
    let mut stamps = Vec::new();
    let mut newest = None;
    for _ in 0..50 {
        rig.step();
        while let Some(received) = images.take() {
            stamps.push(received.message.header.stamp);
            newest = Some(received.message);
        }
    }
    let Some(newest) = newest else {
        assert!(std::env::var_os("CI").is_none(), "no OpenGL");
        println!("skipped: no OpenGL");
        return;
    };
    let ms: Vec<_> = stamps.iter().map(|s| s.sec as u32 * 1000 + s.nanosec / 1_000_000).collect();
    assert_eq!(ms, [0, 200, 400, 600, 800, 1000]);
    let info = infos.take_newest().unwrap().message;
    assert_eq!(newest.header.frame_id, "head_camera_optical_frame");
    assert_eq!(
        (info.header.frame_id.as_str(), info.width, info.height),
        ("head_camera_optical_frame", 320, 240)
    );
    assert_eq!(
        (newest.encoding.as_str(), newest.width, newest.height, newest.step),
        ("rgb8", 320, 240, 960)
    );
    let pixels: Vec<u8> = newest.data.zslices().flat_map(|part| part.iter().copied()).collect();
    let (first, size) = read(&picture(&mut rig, "head"));
    assert_eq!(size, (320, 240));
    let off = first.iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off.unwrap() < 8, "{first:?} {:?}", &pixels[..3]);
}
