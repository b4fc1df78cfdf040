//! The built-in skills, one a file.

pub(crate) mod drive_to;
pub(crate) mod home;
pub(crate) mod look_at;
pub(crate) mod move_to;
pub(crate) mod navigate_to;
pub(crate) mod pick;
pub(crate) mod place;
pub(crate) mod reach;
pub(crate) mod wait;

use sinew_model::{WorldObject, WorldState};
use sinew_types::ErrorCode;

use crate::goal::Rejection;
use crate::io::Failure;

/// A failure found before anything moved.
impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self { error: failure.error, message: failure.message }
    }
}

/// An object that an argument names; the arguments were checked against the same world.
fn object<'a>(world: &'a WorldState, id: &str) -> Result<&'a WorldObject, Rejection> {
    world.objects.get(id).ok_or_else(|| {
        let message = format!("no object `{id}`; known: {}", world.known_ids());
        Rejection::new(ErrorCode::UnknownObject, message)
    })
}

fn unreachable(message: impl Into<String>) -> Rejection {
    Rejection::new(ErrorCode::Unreachable, message)
}
