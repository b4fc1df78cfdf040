//! Pictures from ROS 2's standard messages.

mod decode;
mod eyes;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_bus::{BusError, BusNode, Subscription, names};
use sinew_msgs::sensor_msgs::{CompressedImage, Image};
use sinew_skills::Picture;
use sinew_types::Time;

use crate::ros_clock::RosClock;
pub(crate) use decode::{PictureError, Png};
pub(crate) use eyes::Eyes;

/// How pictures come, as ROS 2's `image_transport` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageTransport {
    /// `CAMERA/image_raw`.
    #[default]
    Raw,
    /// `CAMERA/image_raw/compressed`, JPEG or PNG: less to send, more to compute.
    Compressed,
}

/// The pictures of one camera.
pub(crate) struct Feed {
    subscription: AnySubscription,
    clock: RosClock,
    /// Of the newest picture that was taken.
    newest: Time,
}

enum AnySubscription {
    Raw(Subscription<Image>),
    Compressed(Subscription<CompressedImage>),
}

/// A picture as it came. What it costs to decode it is paid when it is wanted.
pub(crate) enum Shot {
    Raw(Image),
    Compressed(CompressedImage),
}

impl Feed {
    pub(crate) fn new(
        node: &BusNode,
        camera: &str,
        transport: ImageTransport,
        clock: RosClock,
    ) -> Result<Self, BusError> {
        let subscription = match transport {
            ImageTransport::Raw => {
                AnySubscription::Raw(node.subscription(&names::image_raw(camera))?)
            }
            ImageTransport::Compressed => {
                AnySubscription::Compressed(node.subscription(&names::image_compressed(camera))?)
            }
        };
        Ok(Self { subscription, clock, newest: Time::ZERO })
    }

    /// The newest picture that has come, with its time on the robot's clock; none if there is no new one, or only one that is
    /// older than what came before. `now` is the robot's time: what was stamped later than that counts for nothing.
    pub(crate) fn take_newest(&mut self, now: Time) -> Option<(Time, Shot)> {
        let (stamp, shot) = match &self.subscription {
            AnySubscription::Raw(raw) => {
                let message = raw.take_newest()?.message;
                (self.clock.robot_time(&message.header.stamp), Shot::Raw(message))
            }
            AnySubscription::Compressed(compressed) => {
                let message = compressed.take_newest()?.message;
                (self.clock.robot_time(&message.header.stamp), Shot::Compressed(message))
            }
        };
        if stamp < self.newest && self.newest <= now {
            return None;
        }
        self.newest = stamp;
        Some((stamp, shot))
    }

    /// The topic that it listens to.
    pub(crate) fn topic(&self) -> &str {
        match &self.subscription {
            AnySubscription::Raw(raw) => raw.name(),
            AnySubscription::Compressed(compressed) => compressed.name(),
        }
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
