use std::sync::mpsc::{Receiver, Sender, channel};

use sinew_bus::{BusError, BusNode};
use sinew_skills::{Picture, SkillServer};
use sinew_types::Time;

use super::{Feed, ImageTransport, PictureError, Shot};
use crate::ros_clock::RosClock;

/// What the policies of skills see. Pictures are decoded on a thread of their own: a large one takes longer than a tick.
pub(crate) struct Eyes {
    node: String,
    eyes: Vec<Eye>,
    /// None where time stands still while a picture is decoded.
    decoder: Option<Decoder>,
}

struct Eye {
    camera: String,
    feed: Feed,
    /// The newest picture, if it was not decoded yet.
    newest: Option<(Time, Shot)>,
    is_decoding: bool,
    /// What was wrong with the last picture.
    problem: Option<String>,
}

/// Ends with its owner.
struct Decoder {
    work: Sender<(usize, Time, Shot)>,
    done: Receiver<(usize, Result<Picture, PictureError>)>,
}

impl Eyes {
    /// For all cameras through which the server's skills look. `waits`: time stands still meanwhile.
    pub(crate) fn new(
        node: &BusNode,
        server: &SkillServer,
        transport: ImageTransport,
        clock: RosClock,
        waits: bool,
    ) -> Result<Self, BusError> {
        let eye = |camera: &str| {
            Ok(Eye {
                camera: camera.to_owned(),
                feed: Feed::new(node, camera, transport, clock)?,
                newest: None,
                is_decoding: false,
                problem: None,
            })
        };
        let eyes: Vec<_> =
            server.cameras().into_iter().map(eye).collect::<Result<_, BusError>>()?;
        let decoder = (!waits && !eyes.is_empty()).then(Decoder::start);
        Ok(Self { node: node.name().to_owned(), eyes, decoder })
    }

    /// Shows the server what is new, of the cameras through which a skill looks now.
    pub(crate) fn look(&mut self, server: &mut SkillServer, now: Time) {
        while let Some((index, decoded)) = self.decoder.as_ref().and_then(Decoder::take) {
            self.eyes[index].is_decoding = false;
            self.eyes[index].show(decoded, server, &self.node);
        }
        for (index, eye) in self.eyes.iter_mut().enumerate() {
            if let Some(newest) = eye.feed.take_newest(now) {
                eye.newest = Some(newest);
            }
            // One at a time: what comes meanwhile is replaced by what comes later.
            if eye.is_decoding || !server.looks_through(&eye.camera) {
                continue;
            }
            let Some((stamp, shot)) = eye.newest.take() else { continue };
            match &self.decoder {
                Some(decoder) => eye.is_decoding = decoder.give(index, stamp, shot),
                None => eye.show(shot.picture(stamp), server, &self.node),
            }
        }
    }
}

impl Eye {
    fn show(
        &mut self,
        decoded: Result<Picture, PictureError>,
        server: &mut SkillServer,
        node: &str,
    ) {
        let problem = match decoded {
            Ok(picture) => {
                server.see(&self.camera, picture);
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem.as_ref().filter(|new| self.problem.as_ref() != Some(new)) {
            tracing::warn!(node, camera = self.camera, "{problem}");
        }
        self.problem = problem;
    }
}

impl Decoder {
    fn start() -> Self {
        let (work, waiting) = channel::<(usize, Time, Shot)>();
        let (finished, done) = channel();
        std::thread::spawn(move || {
            for (index, stamp, shot) in waiting {
                if finished.send((index, shot.picture(stamp))).is_err() {
                    return;
                }
            }
        });
        Self { work, done }
    }

    /// Whether it was taken.
    fn give(&self, index: usize, stamp: Time, shot: Shot) -> bool {
        self.work.send((index, stamp, shot)).is_ok()
    }

    fn take(&self) -> Option<(usize, Result<Picture, PictureError>)> {
        self.done.try_recv().ok()
    }
}
