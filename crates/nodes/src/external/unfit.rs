/// Why a goal is not taken on.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {field}: {actual}; allowed: {allowed}")]
pub(super) struct Unfit {
    /// As FollowJointTrajectory names its error codes.
    pub(super) code: &'static str,
    pub(super) field: String,
    pub(super) actual: String,
    pub(super) allowed: String,
}

impl Unfit {
    pub(super) fn new(
        field: impl Into<String>,
        actual: impl ToString,
        allowed: impl Into<String>,
    ) -> Self {
        let (field, actual, allowed) = (field.into(), actual.to_string(), allowed.into());
        Self { code: "INVALID_GOAL", field, actual, allowed }
    }

    /// About the names of joints.
    pub(super) fn joints(
        field: impl Into<String>,
        actual: impl ToString,
        allowed: impl Into<String>,
    ) -> Self {
        Self { code: "INVALID_JOINTS", ..Self::new(field, actual, allowed) }
    }
}
