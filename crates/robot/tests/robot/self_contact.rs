//! mobi does not touch itself where skills take it.

use std::path::Path;

use mujoco_rs::prelude::{MjData, MjModel, MjtObjBase};
use sinew_robot::RobotModel;

/// Pairs of links that touch, without neighbours in the tree.
fn touching(mujoco: &MjModel, data: &mut MjData<&MjModel>) -> Vec<(String, String)> {
    data.forward();
    let name = |body: usize| {
        mujoco.id_to_name(MjtObjBase::mjOBJ_BODY, body).unwrap_or("base_link").to_owned()
    };
    let body =
        |geom: i32| usize::try_from(mujoco.geom_bodyid()[usize::try_from(geom).unwrap()]).unwrap();
    let weld = |body: usize| usize::try_from(mujoco.body_weldid()[body]).unwrap();
    let above = |body: usize| weld(usize::try_from(mujoco.body_parentid()[weld(body)]).unwrap());
    data.contact()
        .iter()
        .map(|contact| (body(contact.geom[0]), body(contact.geom[1])))
        .filter(|&(a, b)| weld(a) != weld(b) && above(a) != weld(b) && above(b) != weld(a))
        .map(|(a, b)| (name(a), name(b)))
        .collect()
}

#[test]
fn mobi_touches_nothing_of_itself_at_home_ready_and_between() {
    let model =
        RobotModel::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/mobi.robot.yaml"))
            .unwrap();
    let urdf = std::fs::read_to_string(model.body_path()).unwrap();
    let settings =
        "<mujoco><compiler discardvisual=\"true\" fusestatic=\"false\"/></mujoco></robot>";
    let mujoco = MjModel::from_xml_string(&urdf.replace("</robot>", settings)).unwrap();
    let mut data = mujoco.make_data();
    let set = |data: &mut MjData<&MjModel>, group: &str, positions: &[f64]| {
        for (joint, position) in model.group(group).unwrap().joints.iter().zip(positions) {
            let id =
                mujoco.name_to_id(MjtObjBase::mjOBJ_JOINT, &model.joints()[*joint].name).unwrap();
            data.qpos_mut()[usize::try_from(mujoco.jnt_qposadr()[id]).unwrap()] = *position;
        }
    };
    let arm = model.group("arm").unwrap();
    let (home, ready) = (arm.configuration("home").unwrap(), arm.configuration("ready").unwrap());
    set(&mut data, "gripper", model.group("gripper").unwrap().configuration("open").unwrap());
    set(&mut data, "head", model.group("head").unwrap().configuration("home").unwrap());
    for step in 0..=50 {
        let share = f64::from(step) / 50.0;
        for pan in [-1.0, 0.0, 1.0] {
            let mut positions: Vec<f64> =
                home.iter().zip(ready).map(|(home, ready)| home + share * (ready - home)).collect();
            positions[0] += pan * share;
            set(&mut data, "arm", &positions);
            let contacts = touching(&mujoco, &mut data);
            assert!(contacts.is_empty(), "at {share} of the way: {contacts:?}");
        }
    }
    // The check can fail: folded too far, the hand lies on the shoulder.
    set(&mut data, "arm", &[0.0, -1.57, 2.7, 0.0, 2.0, 0.0]);
    assert!(!touching(&mujoco, &mut data).is_empty());
}
