use std::collections::BTreeMap;

use nalgebra::{Isometry3, Point3, Vector3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_types::Time;

/// The id of an object, unique in its world: `red_cube`.
pub type ObjectId = String;

/// The inside of a container that is open at the top.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Centre of the inner box in the object's frame, m; its top face is the rim.
    pub center_m: [f64; 3],
    /// Edges of the inner box along the object's axes, m.
    pub size_m: [f64; 3],
}

/// A horizontal rectangle on which objects can lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SupportSurface {
    /// Centre of the rectangle in the object's frame, m.
    pub center_m: [f64; 3],
    /// Edges along the object's x and y axes, m.
    pub size_m: [f64; 2],
}

/// Where objects can lie on an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Support {
    /// Nowhere: a ball, a bin.
    #[default]
    None,
    /// On that face of its bounding box which looks up: a cube, however it landed.
    Top,
    /// On these surfaces: the boards of a shelf.
    Surfaces(Vec<SupportSurface>),
}

/// One object as it was last measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldObject {
    /// Unique in the world.
    pub id: ObjectId,
    /// `cube`, `bin`.
    pub class: String,
    /// What else can be said of it: `color = red`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Edges of its bounding box along its own axes, m.
    pub size_m: [f64; 3],
    /// The object's frame lies at the centre of its bounding box.
    pub map_from_object: Isometry3<f64>,
    /// Standard deviation of the position per axis, m.
    #[serde(default)]
    pub position_std_m: f64,
    /// When it was seen.
    pub stamp: Time,
    /// At `stamp`: 0 is a guess, 1 is certain.
    pub confidence: f64,
    /// The gripper group that holds it, as perception says; [`crate::WorldState::judge`] measures.
    #[serde(default)]
    pub held_by: Option<String>,
    /// Furniture: never moves, is never forgotten, and the robot must drive around it.
    #[serde(default)]
    pub fixed: bool,
    /// Present if objects can be put in.
    #[serde(default)]
    pub container: Option<Container>,
    /// Whether objects can be put on it.
    #[serde(default)]
    pub support: Support,
}

/// A support surface as it lies in the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlacedSurface {
    /// From the surface's frame (origin at its centre, z out of it) to the map.
    pub(crate) map_from_surface: Isometry3<f64>,
    /// Edges along the surface's x and y, m.
    pub(crate) size_m: [f64; 2],
}

impl WorldObject {
    /// Its centre in the map, m.
    pub fn center(&self) -> Point3<f64> {
        self.map_from_object.translation.vector.into()
    }

    /// Half of its extent along the map's axes, m.
    pub fn half_extent(&self) -> Vector3<f64> {
        let rotation = self.map_from_object.rotation.to_rotation_matrix();
        rotation.matrix().abs() * Vector3::from(self.size_m) * 0.5
    }

    /// Height of its lowest point in the map, m.
    pub fn bottom_m(&self) -> f64 {
        self.center().z - self.half_extent().z
    }

    /// Height of its highest point in the map, m.
    pub fn top_m(&self) -> f64 {
        self.center().z + self.half_extent().z
    }

    /// Whether objects can be put on it.
    pub fn is_support(&self) -> bool {
        match &self.support {
            Support::None => false,
            Support::Top => true,
            Support::Surfaces(surfaces) => !surfaces.is_empty(),
        }
    }

    /// Its surfaces in the world.
    pub(crate) fn surfaces(&self) -> Vec<PlacedSurface> {
        match &self.support {
            Support::None => vec![],
            Support::Top => vec![self.upper_face()],
            Support::Surfaces(surfaces) => surfaces
                .iter()
                .map(|surface| PlacedSurface {
                    map_from_surface: self.map_from_object
                        * Isometry3::translation(
                            surface.center_m[0],
                            surface.center_m[1],
                            surface.center_m[2],
                        ),
                    size_m: surface.size_m,
                })
                .collect(),
        }
    }

    /// That face of the bounding box whose normal is closest to up.
    fn upper_face(&self) -> PlacedSurface {
        let rotation = self.map_from_object.rotation.to_rotation_matrix();
        let up_along = [0, 1, 2].map(|axis| rotation.matrix()[(2, axis)]);
        let axis = (0..3)
            .max_by(|a, b| up_along[*a].abs().total_cmp(&up_along[*b].abs()))
            .expect("three axes");
        let (x, y) = ((axis + 1) % 3, (axis + 2) % 3);
        let sign = up_along[axis].signum();
        // A right-handed frame with z out of the face.
        let mut columns = [Vector3::zeros(); 3];
        columns[0][x] = 1.0;
        columns[1][y] = sign;
        columns[2][axis] = sign;
        let object_from_surface =
            nalgebra::Rotation3::from_matrix_unchecked(nalgebra::Matrix3::from_columns(&columns));
        let mut center = Vector3::zeros();
        center[axis] = sign * self.size_m[axis] / 2.0;
        PlacedSurface {
            map_from_surface: self.map_from_object
                * Isometry3::from_parts(center.into(), object_from_surface.into()),
            size_m: [self.size_m[x], self.size_m[y]],
        }
    }

    /// The smallest horizontal edge as it lies, m: what a gripper that comes from above must span.
    pub fn grasp_width_m(&self) -> f64 {
        let face = self.upper_face();
        face.size_m[0].min(face.size_m[1])
    }

    /// The point at which the tool works, in the map: for a container the middle of its opening; for
    /// furniture with surfaces the point on them, a margin inside the edge, that is closest to
    /// `wanted`; for anything else the highest point over its centre.
    pub fn work_point(&self, wanted: Point3<f64>) -> Point3<f64> {
        /// Objects are not put closer to an edge than this, m.
        const EDGE_MARGIN_M: f64 = 0.08;
        if let Some(container) = &self.container {
            let [x, y, z] = container.center_m;
            return self.map_from_object * Point3::new(x, y, z + container.size_m[2] / 2.0);
        }
        let over_center = Point3::new(self.center().x, self.center().y, self.top_m());
        if !self.fixed {
            return over_center;
        }
        self.surfaces()
            .into_iter()
            .map(|surface| {
                let point = surface.map_from_surface.inverse_transform_point(&wanted);
                let clamp = |value: f64, edge: f64| {
                    let half = (edge / 2.0 - EDGE_MARGIN_M).max(0.0);
                    value.clamp(-half, half)
                };
                let [x, y] = surface.size_m;
                surface.map_from_surface * Point3::new(clamp(point.x, x), clamp(point.y, y), 0.0)
            })
            .min_by(|a, b| (a - wanted).norm().total_cmp(&(b - wanted).norm()))
            .unwrap_or(over_center)
    }
}
