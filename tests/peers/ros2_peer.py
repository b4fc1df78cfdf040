"""A ROS 2 peer on rmw_zenoh's wire that shares no code with Sinew: zenoh-ros2-sdk.

Usage: ros2_peer.py PORT
Connects to tcp/127.0.0.1:PORT and, in the namespace /mobi,
- answers each JointState on joint_states with one on echo, positions doubled;
- calls the service safety/arm (std_srvs/Trigger) once a line comes in on stdin, and prints the
  response as JSON.
Ends when stdin closes.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy
from rosbags.typesys import Stores, get_typestore
from zenoh_ros2_sdk import ROS2Publisher, ROS2ServiceClient, ROS2Subscriber
from zenoh_ros2_sdk.message_registry import get_registry
from zenoh_ros2_sdk.session import ZenohSession


def write_definitions(folder):
    """The SDK reads .msg files, and would fetch them from the net: rosbags has their text."""
    text, _ = get_typestore(Stores.ROS2_KILTED).generate_msgdef("sensor_msgs/msg/JointState", ros_version=2)
    separator = "=" * 80 + "\n"
    first, *others = text.split(separator)
    definitions = {"sensor_msgs/JointState": first}
    for other in others:
        header, body = other.split("\n", 1)
        definitions[header.removeprefix("MSG: ")] = body
    for name, body in definitions.items():
        package, message = name.replace("/msg/", "/").split("/")
        path = folder / package / "msg" / f"{message}.msg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)


def main():
    port = int(sys.argv[1])
    folder = Path(tempfile.mkdtemp())
    write_definitions(folder)
    ZenohSession.get_instance("127.0.0.1", port)
    get_registry().messages_dir = folder

    where = {"namespace": "/mobi", "router_ip": "127.0.0.1", "router_port": port, "domain_id": 0}
    joint_state = "sensor_msgs/msg/JointState"
    echo = ROS2Publisher(topic="/mobi/echo", msg_type=joint_state, **where)

    def answer(message):
        echo.publish(
            header=message.header,
            name=list(message.name),
            position=numpy.asarray(message.position) * 2.0,
            velocity=numpy.asarray(message.velocity),
            effort=numpy.asarray(message.effort),
        )

    subscriber = ROS2Subscriber(
        topic="/mobi/joint_states", msg_type=joint_state, callback=answer, **where
    )
    arm = ROS2ServiceClient(
        service_name="/mobi/safety/arm",
        srv_type="std_srvs/srv/Trigger",
        request_definition="# no fields\n",
        response_definition="bool success\nstring message\n",
        **where,
    )
    for _ in sys.stdin:
        response = arm.call(structure_needs_at_least_one_member=0) if needs_filler(arm) else arm.call()
        print(json.dumps({"success": bool(response.success), "message": response.message}), flush=True)
    for part in (arm, subscriber, echo):
        part.close()


def needs_filler(client):
    return "structure_needs_at_least_one_member" in client.request_msg_class.__dataclass_fields__


main()
