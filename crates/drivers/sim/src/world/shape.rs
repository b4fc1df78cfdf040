//! Shapes of objects and fixtures, and what can be put on or into them.

use serde::{Deserialize, Serialize};

/// Shape of an object that moves. The frame is at the centre of the bounding box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectShape {
    /// A box.
    Box {
        /// Edges along x, y, z, m.
        size_m: [f64; 3],
    },
    /// A cylinder whose axis is z.
    Cylinder {
        /// m.
        radius_m: f64,
        /// Height along z, m.
        height_m: f64,
    },
    /// A ball.
    Sphere {
        /// m.
        radius_m: f64,
    },
}

/// Shape of a fixture, which does not move. The frame is at the centre of the bounding box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FixtureShape {
    /// A plate of 3 cm on four legs.
    Table {
        /// Edges along x, y, z, m; z is the height of the top over the floor.
        size_m: [f64; 3],
    },
    /// A box of four walls, open at the top, on a stand.
    Bin {
        /// Clear width along x and y, m.
        inner_m: [f64; 2],
        /// Height of the walls over the bin's floor, m.
        wall_height_m: f64,
        /// Thickness of walls and floor, m.
        #[serde(default = "default_wall_thickness")]
        wall_thickness_m: f64,
        /// Height of the stand below the bin's floor, m; 0 for none.
        #[serde(default)]
        stand_height_m: f64,
    },
    /// Boards between two side walls and a back wall; open towards -x.
    Shelf {
        /// Edges along x, y, z, m.
        size_m: [f64; 3],
        /// How many boards, bottom and top included: 2 to 8.
        boards: u32,
    },
    /// A solid block: a tray, a pedestal, a wall.
    Block {
        /// Edges along x, y, z, m.
        size_m: [f64; 3],
    },
}

fn default_wall_thickness() -> f64 {
    0.008
}

/// Thickness of table tops and shelf boards, m.
const BOARD_M: f64 = 0.03;
/// Thickness of table legs, m.
const LEG_M: f64 = 0.04;
/// Thickness of shelf walls, m.
const SHELF_WALL_M: f64 = 0.015;

/// A level surface that things can be put on, in the frame of its object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surface {
    /// Centre, m.
    pub centre_m: [f64; 3],
    /// Edges along x and y, m.
    pub size_m: [f64; 2],
}

/// A space that things can be put into, in the frame of its object: an upright box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interior {
    /// Centre, m.
    pub centre_m: [f64; 3],
    /// Edges along x, y, z, m; the top face is the opening.
    pub size_m: [f64; 3],
}

/// A box of a fixture, in the fixture's frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) centre_m: [f64; 3],
    pub(crate) size_m: [f64; 3],
    /// Drawn a little darker.
    pub(crate) is_support: bool,
}

impl ObjectShape {
    /// Edges of the bounding box, m.
    pub fn size_m(&self) -> [f64; 3] {
        match *self {
            Self::Box { size_m } => size_m,
            Self::Cylinder { radius_m, height_m } => [2.0 * radius_m, 2.0 * radius_m, height_m],
            Self::Sphere { radius_m } => [2.0 * radius_m; 3],
        }
    }

    /// The top, where it is level: other objects can be stacked on it.
    pub fn surface(&self) -> Option<Surface> {
        let [x, y, z] = self.size_m();
        let centre_m = [0.0, 0.0, z / 2.0];
        match *self {
            Self::Box { .. } => Some(Surface { centre_m, size_m: [x, y] }),
            // The largest square in the disc.
            Self::Cylinder { radius_m, .. } => {
                Some(Surface { centre_m, size_m: [radius_m * 2f64.sqrt(); 2] })
            }
            Self::Sphere { .. } => None,
        }
    }

    /// Each measure with its name, for checks.
    pub(crate) fn measures(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Self::Box { size_m } => size_m.iter().map(|edge| ("box.size_m", *edge)).collect(),
            Self::Cylinder { radius_m, height_m } => {
                vec![("cylinder.radius_m", radius_m), ("cylinder.height_m", height_m)]
            }
            Self::Sphere { radius_m } => vec![("sphere.radius_m", radius_m)],
        }
    }
}

impl FixtureShape {
    /// Edges of the bounding box, m.
    pub fn size_m(&self) -> [f64; 3] {
        match *self {
            Self::Table { size_m } | Self::Shelf { size_m, .. } | Self::Block { size_m } => size_m,
            Self::Bin { inner_m, wall_height_m, wall_thickness_m, stand_height_m } => [
                inner_m[0] + 2.0 * wall_thickness_m,
                inner_m[1] + 2.0 * wall_thickness_m,
                stand_height_m + wall_thickness_m + wall_height_m,
            ],
        }
    }

    /// Where things can be put on it; the first is the one that `on:` means.
    pub fn surfaces(&self) -> Vec<Surface> {
        let [x, y, z] = self.size_m();
        match *self {
            Self::Table { .. } | Self::Block { .. } => {
                vec![Surface { centre_m: [0.0, 0.0, z / 2.0], size_m: [x, y] }]
            }
            Self::Bin { .. } => Vec::new(),
            Self::Shelf { boards, .. } => {
                let mut surfaces: Vec<Surface> = board_heights(z, boards)
                    .map(|top| Surface {
                        centre_m: [0.0, 0.0, top],
                        size_m: [x - SHELF_WALL_M, y - 2.0 * SHELF_WALL_M],
                    })
                    .collect();
                surfaces.reverse();
                surfaces
            }
        }
    }

    /// What can be put into it.
    pub fn interior(&self) -> Option<Interior> {
        match *self {
            Self::Bin { inner_m, wall_height_m, .. } => Some(Interior {
                centre_m: [0.0, 0.0, (self.size_m()[2] - wall_height_m) / 2.0],
                size_m: [inner_m[0], inner_m[1], wall_height_m],
            }),
            _ => None,
        }
    }

    /// Each measure with its name, for checks.
    pub(crate) fn measures(&self) -> Vec<(&'static str, f64)> {
        let edges = |name, size: &[f64]| size.iter().map(|edge| (name, *edge)).collect();
        match self {
            Self::Table { size_m } => edges("table.size_m", size_m),
            Self::Shelf { size_m, .. } => edges("shelf.size_m", size_m),
            Self::Block { size_m } => edges("block.size_m", size_m),
            Self::Bin { inner_m, wall_height_m, wall_thickness_m, .. } => {
                let mut all: Vec<(&'static str, f64)> = edges("bin.inner_m", inner_m);
                all.push(("bin.wall_height_m", *wall_height_m));
                all.push(("bin.wall_thickness_m", *wall_thickness_m));
                all
            }
        }
    }

    /// The boxes that it is made of.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let [x, y, z] = self.size_m();
        let part = |centre_m, size_m| Part { centre_m, size_m, is_support: false };
        match *self {
            Self::Block { size_m } => vec![part([0.0; 3], size_m)],
            Self::Table { .. } => {
                let mut parts = vec![part([0.0, 0.0, (z - BOARD_M) / 2.0], [x, y, BOARD_M])];
                for (sx, sy) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                    parts.push(Part {
                        centre_m: [sx * (x / 2.0 - LEG_M), sy * (y / 2.0 - LEG_M), -BOARD_M / 2.0],
                        size_m: [LEG_M, LEG_M, z - BOARD_M],
                        is_support: true,
                    });
                }
                parts
            }
            Self::Bin {
                inner_m: [ix, iy],
                wall_height_m: h,
                wall_thickness_m: t,
                stand_height_m,
            } => {
                let floor = -z / 2.0 + stand_height_m;
                let wall_z = floor + t + h / 2.0;
                let mut parts = vec![
                    part([0.0, 0.0, floor + t / 2.0], [x, y, t]),
                    part([(ix + t) / 2.0, 0.0, wall_z], [t, y, h]),
                    part([-(ix + t) / 2.0, 0.0, wall_z], [t, y, h]),
                    part([0.0, (iy + t) / 2.0, wall_z], [ix, t, h]),
                    part([0.0, -(iy + t) / 2.0, wall_z], [ix, t, h]),
                ];
                if stand_height_m > 0.0 {
                    parts.push(Part {
                        centre_m: [0.0, 0.0, (-z + stand_height_m) / 2.0],
                        size_m: [0.8 * x, 0.8 * y, stand_height_m],
                        is_support: true,
                    });
                }
                parts
            }
            Self::Shelf { boards, .. } => {
                let t = SHELF_WALL_M;
                let mut parts = vec![
                    part([(x - t) / 2.0, 0.0, 0.0], [t, y, z]),
                    part([-t / 2.0, (y - t) / 2.0, 0.0], [x - t, t, z]),
                    part([-t / 2.0, (t - y) / 2.0, 0.0], [x - t, t, z]),
                ];
                for top in board_heights(z, boards) {
                    parts.push(part([-t / 2.0, 0.0, top - t / 2.0], [x - t, y - 2.0 * t, t]));
                }
                parts
            }
        }
    }
}

/// Heights of the tops of a shelf's boards over the shelf's centre, lowest first.
fn board_heights(height_m: f64, boards: u32) -> impl Iterator<Item = f64> {
    let gap = (height_m - SHELF_WALL_M) / f64::from(boards.max(2) - 1);
    (0..boards).map(move |i| SHELF_WALL_M + f64::from(i) * gap - height_m / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_the_bounding_box_and_do_not_leave_it() {
        let shapes = [
            FixtureShape::Table { size_m: [0.6, 1.0, 0.4] },
            FixtureShape::Shelf { size_m: [0.3, 0.8, 1.2], boards: 4 },
            FixtureShape::Block { size_m: [0.2, 0.2, 0.01] },
            FixtureShape::Bin {
                inner_m: [0.2, 0.3],
                wall_height_m: 0.1,
                wall_thickness_m: 0.01,
                stand_height_m: 0.2,
            },
        ];
        for shape in shapes {
            for (axis, edge) in shape.size_m().iter().enumerate() {
                let low = |p: &Part| p.centre_m[axis] - p.size_m[axis] / 2.0;
                let high = |p: &Part| p.centre_m[axis] + p.size_m[axis] / 2.0;
                let lowest = shape.parts().iter().map(low).fold(f64::MAX, f64::min);
                let highest = shape.parts().iter().map(high).fold(f64::MIN, f64::max);
                assert!((lowest + edge / 2.0).abs() < 1e-9, "{shape:?} axis {axis}: {lowest}");
                assert!((highest - edge / 2.0).abs() < 1e-9, "{shape:?} axis {axis}: {highest}");
            }
        }
    }

    #[test]
    fn the_inside_of_a_bin_ends_at_its_rim() {
        let bin = FixtureShape::Bin {
            inner_m: [0.2, 0.2],
            wall_height_m: 0.1,
            wall_thickness_m: 0.01,
            stand_height_m: 0.2,
        };
        let inside = bin.interior().expect("a bin has an inside");
        assert!(
            (inside.centre_m[2] + inside.size_m[2] / 2.0 - bin.size_m()[2] / 2.0).abs() < 1e-12
        );
    }
}
