//! A process that ROS 2's life cycle ends, and its log on `/rosout`.

use crate::support::{bus, node, root, router, wait_for};
use sinew_bus::names::{self, ServiceName};
use sinew_bus::{BusNode, ServiceClient};
use sinew_msgs::lifecycle_msgs::srv::ChangeState;
use sinew_msgs::lifecycle_msgs::{ChangeStateRequest, Transition};
use sinew_msgs::rcl_interfaces::Log;

fn changes(onlooker: &BusNode, node: &str) -> ServiceClient<ChangeState> {
    let name = names::CHANGE_STATE.name.replacen('~', node, 1);
    let client = onlooker.service_client(&ServiceName::named(name)).unwrap();
    wait_for("the service", || client.server_available().then_some(()));
    client
}

fn change(client: &ServiceClient<ChangeState>, label: &str) -> bool {
    let transition = Transition { id: 0, label: label.to_owned() };
    let mut call = client.call(&ChangeStateRequest { transition });
    wait_for("an answer", || call.poll()).unwrap().success
}

#[test]
fn a_node_that_is_shut_down_ends_well_and_its_log_is_on_rosout() {
    let (_router, router) = router();
    let robot = root().join("urdf/mobi.robot.yaml").display().to_string();
    let mut process = node(&router, "hardware", &[("driver", "mock".into()), ("robot", robot)]);
    let bus = bus(&router);
    let onlooker = bus.node("onlooker", "/").unwrap();
    let lines = onlooker.subscription(&names::ROSOUT).unwrap();
    let client = changes(&onlooker, "/mobi/hardware");

    assert!(!change(&client, "magic"));
    let line = wait_for("a line of the log", || {
        let line: Log = lines.take()?.message;
        line.msg.contains("magic").then_some(line)
    });
    assert_eq!((line.level, line.name.as_str()), (Log::WARN, "mobi.hardware"), "{line:?}");
    assert!(line.msg.starts_with("no such transition now"), "{line:?}");
    assert!(line.stamp.sec > 1_600_000_000 && line.line > 0, "{line:?}");
    assert!(line.file.ends_with("lifecycle.rs"), "{line:?}");

    assert!(change(&client, "activate"));
    assert!(change(&client, "shutdown"));
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
}
