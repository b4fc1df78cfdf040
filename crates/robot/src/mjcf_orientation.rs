//! MuJoCo's ways to write an orientation.

use nalgebra::{Matrix3, Quaternion, Rotation3, UnitQuaternion, UnitVector3, Vector3};
use roxmltree::Node;

use crate::error::RobotError;
use crate::xml::Reader;

/// How angles are written in a file.
pub(crate) struct Angles {
    /// Degrees, MuJoCo's default, or radians.
    pub(crate) degrees: bool,
    /// `eulerseq`: lower case turns about moving axes, upper case about fixed ones.
    pub(crate) sequence: String,
}

impl Angles {
    /// Radians per unit of the file.
    pub(crate) fn unit(&self) -> f64 {
        if self.degrees { std::f64::consts::PI / 180.0 } else { 1.0 }
    }
}

/// Orientation of a body or site in its parent: quat (w x y z), axisangle, euler, xyaxes or zaxis.
pub(crate) fn orientation(
    reader: Reader<'_>,
    node: Node<'_, '_>,
    angles: &Angles,
) -> Result<UnitQuaternion<f64>, RobotError> {
    let zero = |attribute: &str| {
        reader.error(
            node,
            format!("{attribute} has no direction"),
            "vectors that are not zero or parallel",
        )
    };
    if let Some([w, x, y, z]) = reader.numbers::<4>(node, "quat")? {
        return UnitQuaternion::try_new(Quaternion::new(w, x, y, z), 1e-9)
            .ok_or_else(|| zero("quat"));
    }
    if let Some([x, y, z, angle]) = reader.numbers::<4>(node, "axisangle")? {
        let axis =
            UnitVector3::try_new(Vector3::new(x, y, z), 1e-9).ok_or_else(|| zero("axisangle"))?;
        return Ok(UnitQuaternion::from_axis_angle(&axis, angle * angles.unit()));
    }
    if let Some(euler) = reader.numbers::<3>(node, "euler")? {
        let mut rotation = UnitQuaternion::identity();
        for (axis, angle) in angles.sequence.chars().zip(euler) {
            let direction = match axis.to_ascii_lowercase() {
                'x' => Vector3::x_axis(),
                'y' => Vector3::y_axis(),
                _ => Vector3::z_axis(),
            };
            let turn = UnitQuaternion::from_axis_angle(&direction, angle * angles.unit());
            rotation = if axis.is_ascii_lowercase() { rotation * turn } else { turn * rotation };
        }
        return Ok(rotation);
    }
    if let Some([a, b, c, d, e, f]) = reader.numbers::<6>(node, "xyaxes")? {
        let x = Vector3::new(a, b, c).try_normalize(1e-9).ok_or_else(|| zero("xyaxes"))?;
        let y = Vector3::new(d, e, f);
        let y = (y - x * x.dot(&y)).try_normalize(1e-9).ok_or_else(|| zero("xyaxes"))?;
        let matrix = Rotation3::from_matrix_unchecked(Matrix3::from_columns(&[x, y, x.cross(&y)]));
        return Ok(UnitQuaternion::from_rotation_matrix(&matrix));
    }
    if let Some([x, y, z]) = reader.numbers::<3>(node, "zaxis")? {
        let axis = Vector3::new(x, y, z).try_normalize(1e-9).ok_or_else(|| zero("zaxis"))?;
        // Pointing straight down, any half turn will do; MuJoCo turns about x.
        return Ok(UnitQuaternion::rotation_between(&Vector3::z(), &axis).unwrap_or_else(|| {
            UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI)
        }));
    }
    Ok(UnitQuaternion::identity())
}
