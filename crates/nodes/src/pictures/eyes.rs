use sinew_bus::{BusError, BusNode};
use sinew_skills::SkillServer;
use sinew_types::Time;

use super::{Feed, Shot};
use crate::ros_clock::RosClock;

/// What the policies of skills see.
pub(crate) struct Eyes {
    node: String,
    eyes: Vec<Eye>,
}

struct Eye {
    camera: String,
    feed: Feed,
    newest: Option<(Time, Shot)>,
    /// What was wrong with the last picture.
    problem: Option<String>,
}

impl Eyes {
    /// For all cameras through which the server's skills look.
    pub(crate) fn new(
        node: &BusNode,
        server: &SkillServer,
        clock: RosClock,
    ) -> Result<Self, BusError> {
        let eye = |camera: &str| {
            let feed = Feed::new(node, camera, clock)?;
            Ok(Eye { camera: camera.to_owned(), feed, newest: None, problem: None })
        };
        let eyes = server.cameras().into_iter().map(eye).collect::<Result<_, BusError>>()?;
        Ok(Self { node: node.name().to_owned(), eyes })
    }

    /// Shows the server what is new, of the cameras through which a skill looks now.
    pub(crate) fn look(&mut self, server: &mut SkillServer) {
        for eye in &mut self.eyes {
            if let Some(newest) = eye.feed.take_newest() {
                eye.newest = Some(newest);
            }
            if !server.looks_through(&eye.camera) {
                continue;
            }
            let Some((stamp, shot)) = eye.newest.take() else { continue };
            let problem = match shot.picture(stamp) {
                Ok(picture) => {
                    server.see(&eye.camera, picture);
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) = problem.as_ref().filter(|new| eye.problem.as_ref() != Some(new))
            {
                tracing::warn!(node = self.node, camera = eye.camera, "{problem}");
            }
            eye.problem = problem;
        }
    }
}
