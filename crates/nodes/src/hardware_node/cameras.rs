//! Pictures of a simulated robot's cameras, as a camera's own ROS 2 driver publishes them.

use sinew_bus::{BusError, BusNode, Publisher, Qos, names};
use sinew_driver_sim::{Renderer, SimError, SimWorld};
use sinew_msgs::builtin_interfaces;
use sinew_msgs::sensor_msgs::{CameraInfo, Image};
use sinew_msgs::std_msgs::Header;
use sinew_robot::{CameraConfig, RobotModel};

use super::TICK_RATE_HZ;
use super::parameters::HardwareParameters;
use crate::convert::time_to_msg;

const DEFAULT_RATE_HZ: f64 = 10.0;
/// Heard by subscriptions of either kind.
const QOS: Qos = Qos::reliable(2);

/// Which cameras are published, and how often.
pub(super) struct PublishCameras {
    cameras: Vec<CameraConfig>,
    rate_hz: f64,
}

impl PublishCameras {
    /// What the parameters ask for.
    ///
    /// # Errors
    /// A camera that the robot has not, a rate out of range or without cameras; each with what is allowed.
    pub(super) fn of(parameters: &HardwareParameters, robot: &RobotModel) -> Result<Self, String> {
        let known = &robot.sensors().cameras;
        let mut cameras = Vec::new();
        for name in &parameters.publish_cameras {
            let Some(camera) = known.iter().find(|camera| camera.name == *name) else {
                let known: Vec<_> = known.iter().map(|camera| camera.name.as_str()).collect();
                return Err(format!("publish_cameras: `{name}`; allowed: {}", known.join(", ")));
            };
            if !cameras.contains(camera) {
                cameras.push(camera.clone());
            }
        }
        let rate_hz = match parameters.camera_rate_hz {
            None => DEFAULT_RATE_HZ,
            Some(_) if cameras.is_empty() => {
                return Err("camera_rate_hz: given; allowed: only with publish_cameras".into());
            }
            Some(rate) if rate > 0.0 && rate <= f64::from(TICK_RATE_HZ) => rate,
            Some(rate) => {
                return Err(format!(
                    "camera_rate_hz: {rate}; allowed: above 0 up to {TICK_RATE_HZ}"
                ));
            }
        };
        Ok(Self { cameras, rate_hz })
    }
}

/// The topics of the cameras that are published.
pub(super) struct CameraPorts {
    cameras: Vec<Camera>,
    rate_hz: f64,
    /// Generation of the world and number of the pictures that were published last.
    last: Option<(u64, u64)>,
}

struct Camera {
    config: CameraConfig,
    image: Publisher<Image>,
    info: Publisher<CameraInfo>,
}

impl CameraPorts {
    pub(super) fn new(node: &BusNode, wanted: PublishCameras) -> Result<Self, BusError> {
        let camera = |config: CameraConfig| {
            Ok(Camera {
                image: node.publisher(&names::image_raw(&config.name).with_qos(QOS))?,
                info: node.publisher(&names::camera_info(&config.name).with_qos(QOS))?,
                config,
            })
        };
        Ok(Self {
            cameras: wanted.cameras.into_iter().map(camera).collect::<Result<_, BusError>>()?,
            rate_hz: wanted.rate_hz,
            last: None,
        })
    }

    /// Publishes a picture of each camera, if one is due. The world stands still while they are drawn.
    pub(super) fn publish(
        &mut self,
        world: &SimWorld,
        renderer: &mut Option<Renderer>,
    ) -> Result<(), BusError> {
        if self.cameras.is_empty() {
            return Ok(());
        }
        let truth = world.truth();
        let number = (truth.stamp.as_secs_f64() * self.rate_hz + 1e-9).floor() as u64;
        if self.last == Some((truth.generation, number)) {
            return Ok(());
        }
        self.last = Some((truth.generation, number));
        let renderer = renderer.get_or_insert_with(|| world.renderer());
        for camera in &self.cameras {
            if let Err(error) = camera.publish(renderer, time_to_msg(truth.stamp))? {
                tracing::error!(camera = camera.config.name, %error, "no pictures from now on");
                self.cameras.clear();
                break;
            }
        }
        Ok(())
    }
}

impl Camera {
    /// Publishes a picture, or tells why there is none.
    fn publish(
        &self,
        renderer: &mut Renderer,
        stamp: builtin_interfaces::Time,
    ) -> Result<Result<(), SimError>, BusError> {
        let config = &self.config;
        let (width, height) = (config.width_px, config.height_px);
        let pixels = match renderer.pixels(&config.name, width, height) {
            Ok(pixels) => pixels,
            Err(error) => return Ok(Err(error)),
        };
        let header = Header { stamp, frame_id: config.optical_frame.clone() };
        self.info.publish(&camera_info(config, header.clone()))?;
        self.image.publish(&Image {
            header,
            height,
            width,
            encoding: "rgb8".into(),
            is_bigendian: 0,
            step: 3 * width,
            data: pixels.into(),
        })?;
        Ok(Ok(()))
    }
}

/// Intrinsics of a camera without distortion, whose pixels are square; whole numbers are the centres of pixels.
fn camera_info(config: &CameraConfig, header: Header) -> CameraInfo {
    let (width, height) = (f64::from(config.width_px), f64::from(config.height_px));
    let focal_px = height / 2.0 / (config.fov_y_rad / 2.0).tan();
    let (x, y) = ((width - 1.0) / 2.0, (height - 1.0) / 2.0);
    CameraInfo {
        header,
        height: config.height_px,
        width: config.width_px,
        distortion_model: "plumb_bob".into(),
        d: vec![0.0; 5],
        k: [focal_px, 0.0, x, 0.0, focal_px, y, 0.0, 0.0, 1.0],
        r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p: [focal_px, 0.0, x, 0.0, 0.0, focal_px, y, 0.0, 0.0, 0.0, 1.0, 0.0],
        ..CameraInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_of_a_picture_is_seen_under_half_the_opening_angle() {
        let config = CameraConfig {
            name: "head".into(),
            optical_frame: "optical".into(),
            width_px: 320,
            height_px: 240,
            fov_y_rad: 1.0,
        };
        let info = camera_info(&config, Header::default());
        // The upper edge of the first row of pixels.
        let slope = (-0.5 - info.k[5]) / info.k[4];
        assert!((slope + 0.5_f64.tan()).abs() < 1e-12, "{slope}");
        assert_eq!((info.k[0], info.k[2]), (info.k[4], 159.5));
        assert_eq!((info.p[0], info.p[2], info.p[6]), (info.k[0], info.k[2], info.k[5]));
    }
}
