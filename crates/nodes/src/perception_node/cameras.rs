use std::time::Duration;

use sinew_bus::{BusError, BusNode, ServiceServer, Subscription, names};
use sinew_msgs::sensor_msgs::CameraInfo;
use sinew_msgs::sinew_msgs::TakePictureResponse;
use sinew_msgs::sinew_msgs::srv::TakePicture;
use sinew_types::Time;

use crate::convert::time_to_msg;
use crate::health::{Found, WARN};
use crate::pictures::{Feed, ImageTransport, PictureError, Png, Shot};
use crate::ros_clock::RosClock;

/// The newest picture of each camera of the robot, and `take_picture`, which gives it.
pub(super) struct Cameras {
    node: String,
    cameras: Vec<Camera>,
    max_age: Duration,
    requests: ServiceServer<TakePicture>,
}

struct Camera {
    name: String,
    feed: Feed,
    info: Subscription<CameraInfo>,
    newest: Option<(Time, Shot)>,
    /// Width and height, as `camera_info` has them.
    told_size: Option<(u32, u32)>,
    /// The last picture that was asked for, or that came raw, if its size was another than the told one.
    mismatch: Option<String>,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
enum NoPicture {
    #[error("camera `{camera}` is not known; known: {known}")]
    Unknown { camera: String, known: String },
    #[error("camera `{camera}`: no picture yet on {topic}")]
    None { camera: String, topic: String },
    #[error("camera `{camera}`: the newest picture is {age_s:.1} s old; allowed: {max_age_s} s")]
    TooOld { camera: String, age_s: f64, max_age_s: f64 },
    #[error(
        "camera `{camera}`: the newest picture is stamped {by_s:.1} s ahead of the robot's newest state; allowed: \
         {max_age_s} s (does use_sim_time fit the robot?)"
    )]
    TooNew { camera: String, by_s: f64, max_age_s: f64 },
    #[error("camera `{camera}`: {source}")]
    Picture { camera: String, source: PictureError },
}

impl Cameras {
    /// `names` are those of the robot file.
    pub(super) fn new(
        node: &BusNode,
        cameras: impl Iterator<Item = String>,
        max_age: Duration,
        transport: ImageTransport,
        clock: RosClock,
    ) -> Result<Self, BusError> {
        let camera = |name: String| {
            Ok(Camera {
                feed: Feed::new(node, &name, transport, clock)?,
                info: node.subscription(&names::camera_info(&name))?,
                newest: None,
                told_size: None,
                mismatch: None,
                name,
            })
        };
        Ok(Self {
            node: node.name().to_owned(),
            cameras: cameras.map(camera).collect::<Result<_, BusError>>()?,
            max_age,
            requests: node.service_server(&names::TAKE_PICTURE)?,
        })
    }

    /// Takes what arrived, and answers who asked.
    pub(super) fn step(&mut self, now: Time) -> Result<(), BusError> {
        for camera in &mut self.cameras {
            camera.take(now, &self.node);
        }
        while let Some(request) = self.requests.take_request() {
            let response = self.picture(&request.request().camera, now);
            request.respond(response)?;
        }
        Ok(())
    }

    /// What is to be told of each camera, by name.
    pub(super) fn found(&self, now: Time) -> impl Iterator<Item = (&str, Found)> {
        self.cameras
            .iter()
            .map(move |camera| (camera.name.as_str(), camera.found(now, self.max_age)))
    }

    fn picture(&mut self, camera: &str, now: Time) -> TakePictureResponse {
        match self.newest(camera, now) {
            Ok((stamp, Png { bytes, width, height })) => TakePictureResponse {
                success: true,
                error_msg: String::new(),
                png: bytes.into(),
                width,
                height,
                stamp: time_to_msg(stamp),
            },
            Err(error) => {
                TakePictureResponse { error_msg: error.to_string(), ..Default::default() }
            }
        }
    }

    fn newest(&mut self, name: &str, now: Time) -> Result<(Time, Png), NoPicture> {
        let Some(camera) = self.cameras.iter_mut().find(|camera| camera.name == name) else {
            let known: Vec<_> = self.cameras.iter().map(|camera| camera.name.as_str()).collect();
            return Err(NoPicture::Unknown { camera: name.to_owned(), known: known.join(", ") });
        };
        let named = || name.to_owned();
        let Some((stamp, shot)) = &camera.newest else {
            let topic = camera.feed.topic().to_owned();
            return Err(NoPicture::None { camera: named(), topic });
        };
        let (age, max_age_s) = (now.since(*stamp), self.max_age.as_secs_f64());
        if age > self.max_age {
            let age_s = age.as_secs_f64();
            return Err(NoPicture::TooOld { camera: named(), age_s, max_age_s });
        }
        let ahead = stamp.since(now);
        if ahead > self.max_age {
            let by_s = ahead.as_secs_f64();
            return Err(NoPicture::TooNew { camera: named(), by_s, max_age_s });
        }
        let png = shot.png().map_err(|source| NoPicture::Picture { camera: named(), source })?;
        let stamp = *stamp;
        camera.compare(png.width, png.height, &self.node);
        Ok((stamp, png))
    }
}

impl Camera {
    fn take(&mut self, now: Time, node: &str) {
        if let Some(received) = self.info.take_newest() {
            self.told_size = Some((received.message.width, received.message.height));
        }
        let Some(newest) = self.feed.take_newest(now) else { return };
        let raw_size = match &newest.1 {
            Shot::Raw(image) => Some((image.width, image.height)),
            Shot::Compressed(_) => None,
        };
        self.newest = Some(newest);
        if let Some((width, height)) = raw_size {
            self.compare(width, height, node);
        }
    }

    /// Tells of a `camera_info` that is not that of the pictures.
    fn compare(&mut self, width: u32, height: u32, node: &str) {
        let other = self.told_size.filter(|told| *told != (width, height));
        let mismatch = other.map(|(told_width, told_height)| {
            format!(
                "pictures of {width} x {height} pixels, camera_info of {told_width} x {told_height}"
            )
        });
        if mismatch != self.mismatch {
            if let Some(mismatch) = &mismatch {
                tracing::warn!(node, camera = self.name, "{mismatch}");
            }
            self.mismatch = mismatch;
        }
    }

    fn found(&self, now: Time, max_age: Duration) -> Found {
        let mut found = Found::ok();
        if let Some(mismatch) = &self.mismatch {
            found.raise(WARN, mismatch);
        }
        match &self.newest {
            None => found.raise(WARN, "no picture yet"),
            Some((stamp, _)) => {
                let (age, ahead) = (now.since(*stamp), stamp.since(now));
                if age > max_age {
                    found.raise(WARN, format_args!("no picture for {:.0} s", age.as_secs_f64()));
                }
                if ahead > max_age {
                    let by_s = ahead.as_secs_f64();
                    found.raise(WARN, format_args!("a picture stamped {by_s:.1} s ahead"));
                }
                found.value("age_s", format!("{:.3}", age.as_secs_f64()));
            }
        }
        found
    }
}
