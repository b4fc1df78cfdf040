//! Between our message structs and those that r2r generates: by CDR bytes.
//!
//! Both sides already speak the wire format, so no conversion is written or generated per type, and
//! whatever the wire can carry (NaN, fixed arrays) survives. Topics need no struct of r2r at all:
//! `subscribe_raw` and `publish_raw` take the same bytes.

use anyhow::Context;
use r2r::WrappedTypesupport;
use serde::{Serialize, de::DeserializeOwned};

/// Encapsulation header of plain little-endian CDR, which rmw expects before the body.
const CDR_LE: [u8; 4] = [0, 1, 0, 0];

/// One of our structs as r2r's struct of the same ROS type.
pub fn to_ros<Ours: Serialize, Ros: WrappedTypesupport>(ours: &Ours) -> anyhow::Result<Ros> {
    let mut bytes = CDR_LE.to_vec();
    bytes.extend(hiroz_cdr::to_vec::<Ours, hiroz_cdr::LittleEndian>(ours, 256)?);
    Ok(Ros::from_serialized_bytes(&bytes)?)
}

/// One of r2r's structs as our struct of the same ROS type.
pub fn from_ros<Ours: DeserializeOwned, Ros: WrappedTypesupport>(
    ros: &Ros,
) -> anyhow::Result<Ours> {
    let bytes = ros.to_serialized_bytes()?;
    let (header, body) = bytes.split_at_checked(CDR_LE.len()).context("CDR without a header")?;
    anyhow::ensure!(header[..2] == CDR_LE[..2], "CDR header {header:?}, expected {CDR_LE:?}");
    Ok(hiroz_cdr::from_bytes::<Ours, hiroz_cdr::LittleEndian>(body)?.0)
}
