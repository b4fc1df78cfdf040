//! Pictures from ROS 2's standard messages.

mod decode;
mod eyes;

use sinew_bus::{BusError, BusNode, Subscription, names};
use sinew_msgs::sensor_msgs::{CompressedImage, Image};
use sinew_skills::Picture;
use sinew_types::Time;

use crate::ros_clock::RosClock;
pub(crate) use decode::{PictureError, Png};
pub(crate) use eyes::Eyes;

/// The pictures of one camera, raw or compressed.
pub(crate) struct Feed {
    raw: Subscription<Image>,
    compressed: Subscription<CompressedImage>,
    clock: RosClock,
}

/// A picture as it came. What it costs to decode it is paid when it is wanted.
pub(crate) enum Shot {
    Raw(Image),
    Compressed(CompressedImage),
}

impl Feed {
    pub(crate) fn new(node: &BusNode, camera: &str, clock: RosClock) -> Result<Self, BusError> {
        Ok(Self {
            raw: node.subscription(&names::image_raw(camera))?,
            compressed: node.subscription(&names::image_compressed(camera))?,
            clock,
        })
    }

    /// The newest picture that has come, with its time on the robot's clock; none if there is no new one.
    pub(crate) fn take_newest(&self) -> Option<(Time, Shot)> {
        let compressed = self.compressed.take_newest().map(|received| {
            let stamp = self.clock.robot_time(&received.message.header.stamp);
            (stamp, Shot::Compressed(received.message))
        });
        let raw = self.raw.take_newest().map(|received| {
            let stamp = self.clock.robot_time(&received.message.header.stamp);
            (stamp, Shot::Raw(received.message))
        });
        raw.or(compressed)
    }

    /// The topics that it listens to.
    pub(crate) fn topics(&self) -> [&str; 2] {
        [self.raw.name(), self.compressed.name()]
    }
}

impl Shot {
    /// As PNG.
    ///
    /// # Errors
    /// A message that is no picture, or of a kind that is not allowed.
    pub(crate) fn png(&self) -> Result<Png, PictureError> {
        self.pixels()?.png()
    }

    /// As a policy sees it.
    ///
    /// # Errors
    /// As [`Self::png`].
    pub(crate) fn picture(&self, stamp: Time) -> Result<Picture, PictureError> {
        Ok(self.pixels()?.picture(stamp))
    }

    fn pixels(&self) -> Result<decode::Pixels, PictureError> {
        match self {
            Self::Raw(image) => decode::of_image(image),
            Self::Compressed(message) => decode::of_compressed(message),
        }
    }
}
