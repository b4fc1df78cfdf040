//! A ROS 2 peer that shares no code with this one drives a topic, both ways, and a service.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::{free_endpoint, until, until_true, zenoh};
use sinew_bus::Qos;
use sinew_bus::names::{self, Topic};
use sinew_msgs::sensor_msgs::JointState;
use sinew_msgs::std_srvs::TriggerResponse;

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_ros_2_peer_uses_a_topic_both_ways_and_a_service() {
    let Some(python) = std::env::var_os("SINEW_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "CI must set SINEW_TEST_PYTHON");
        println!("skipped: SINEW_TEST_PYTHON names no Python with zenoh-ros2-sdk");
        return;
    };
    let endpoint = free_endpoint();
    let bus = zenoh(&[&endpoint], &[], Duration::from_secs(10));
    let node = bus.node("robot", "/mobi").unwrap();
    let publisher = node.publisher(&names::JOINT_STATES).unwrap();
    let echo = node.subscription(&Topic::<JointState>::new("echo", Qos::DEFAULT)).unwrap();
    let server = node.service_server(&names::ARM).unwrap();

    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/ros2_peer.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(endpoint.rsplit(':').next().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut requests = child.stdin.take().unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap());
    let _peer = Peer(child);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        // The SDK's log may share the stream; an answer is a JSON object.
        answers.lines().map_while(Result::ok).filter(|l| l.starts_with('{')).for_each(|line| {
            let _ = sender.send(line);
        });
    });

    until_true("the peer on both topics", || {
        publisher.subscriptions() > 0 && echo.publishers() > 0
    });
    let sent = JointState {
        name: vec!["lift".to_owned(), "elbow".to_owned()],
        position: vec![0.25, -1.5],
        velocity: vec![1.0],
        ..JointState::default()
    };
    // The peer announces itself before it listens, so the first message may be too early.
    let received = until("echo", || {
        publisher.publish(&sent).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        echo.take()
    });
    assert_eq!(received.message.name, sent.name);
    assert_eq!(received.message.position, [0.5, -3.0]);
    assert_eq!(received.message.velocity, [1.0]);
    assert_ne!(received.publisher, publisher.id());

    writeln!(requests, "arm").unwrap();
    let request = until("request", || server.take_request());
    request.respond(TriggerResponse { success: true, message: "armed: é".to_owned() }).unwrap();
    let line = until("response", || lines.try_recv().ok());
    let response: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(response, serde_json::json!({"success": true, "message": "armed: é"}));
    assert_eq!(echo.undecodable() + server.undecodable(), 0);
}
