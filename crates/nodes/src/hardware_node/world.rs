use sinew_bus::{BusError, BusNode, Publisher, ServiceServer, names};
use sinew_driver_sim::{PerceptionSource, Renderer, SimWorld};
use sinew_msgs::sinew_msgs::srv::TakePicture;
use sinew_msgs::sinew_msgs::{TakePictureResponse, WorldObjects};

use super::cameras::{CameraPorts, PublishCameras};
use crate::convert::{objects_to_msg, time_to_msg};
use crate::detections::seen_object;

/// Width and height of pictures from the world's own cameras, pixels.
const WORLD_PICTURE_PX: (u32, u32) = (960, 720);

/// What a simulated world offers beside its robot: perception and pictures.
pub(super) struct WorldPorts {
    world: SimWorld,
    perception: PerceptionSource,
    renderer: Option<Renderer>,
    detections: Publisher<WorldObjects>,
    picture: ServiceServer<TakePicture>,
    cameras: CameraPorts,
}

impl WorldPorts {
    pub(super) fn new(
        node: &BusNode,
        world: SimWorld,
        seed: u64,
        cameras: PublishCameras,
    ) -> Result<Self, BusError> {
        Ok(Self {
            cameras: CameraPorts::new(node, cameras)?,
            perception: world.perception(seed),
            world,
            renderer: None,
            detections: node.publisher(&names::DETECTIONS)?,
            picture: node.service_server(&names::TAKE_PICTURE)?,
        })
    }

    pub(super) fn world(&self) -> SimWorld {
        self.world.clone()
    }

    pub(super) fn take_requests(&mut self) -> Result<(), BusError> {
        while let Some(request) = self.picture.take_request() {
            let response = self.picture(&request.request().camera);
            request.respond(response)?;
        }
        Ok(())
    }

    /// Publishes what is seen, if something new is.
    pub(super) fn publish(&mut self) -> Result<(), BusError> {
        self.cameras.publish(&self.world, &mut self.renderer)?;
        let Some(seen) = self.perception.poll() else { return Ok(()) };
        let objects: Vec<_> =
            seen.objects.iter().map(|object| seen_object(object, seen.stamp)).collect();
        self.detections.publish(&objects_to_msg(&objects, seen.stamp))
    }

    fn picture(&mut self, camera: &str) -> TakePictureResponse {
        let renderer = self.renderer.get_or_insert_with(|| self.world.renderer());
        let stamp = time_to_msg(self.world.truth().stamp);
        let robot_cameras = &self.world.world().robot().sensors().cameras;
        let (width, height) = robot_cameras
            .iter()
            .find(|robot| robot.name == camera)
            .map_or(WORLD_PICTURE_PX, |robot| (robot.width_px, robot.height_px));
        match renderer.picture(camera, width, height) {
            Ok(png) => TakePictureResponse {
                success: true,
                error_msg: String::new(),
                png: png.into(),
                width,
                height,
                stamp,
            },
            Err(error) => {
                TakePictureResponse { error_msg: error.to_string(), stamp, ..Default::default() }
            }
        }
    }
}
