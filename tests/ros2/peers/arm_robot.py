"""A robot that runs ros2_control, as far as a client can tell: a controller manager and its controllers, in rclpy.

Five joints of an arm behind a joint_trajectory_controller and one of a gripper behind a forward_command_controller; another
controller of the arm is active when it starts. Joints follow their commands exactly. It ends with its input.
"""

import sys
import threading
import time

import rclpy
from controller_manager_msgs.msg import ControllerState
from controller_manager_msgs.srv import ListControllers, SwitchController
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

ARM = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll"]
START = {"shoulder_pan": 0.0, "shoulder_lift": -1.6, "elbow_flex": 1.5, "wrist_flex": 1.0, "wrist_roll": 0.0, "gripper": 0.03}
TRAJECTORY = "joint_trajectory_controller/JointTrajectoryController"
FORWARD = "forward_command_controller/ForwardCommandController"
STEP_S = 0.01


class Controller:
    def __init__(self, name, kind, joints, active=False):
        self.name, self.kind, self.joints = name, kind, joints
        self.state = "active" if active else "inactive"
        # Per joint: where from, where to, since when, for how long.
        self.motion = {}

    def message(self):
        interfaces = [f"{joint}/position" for joint in self.joints]
        return ControllerState(
            name=self.name,
            state=self.state,
            type=self.kind,
            claimed_interfaces=interfaces if self.state == "active" else [],
            required_command_interfaces=interfaces,
        )


class Robot:
    def __init__(self, node):
        self.node = node
        self.positions = dict(START)
        self.velocities = dict.fromkeys(START, 0.0)
        self.controllers = {
            c.name: c
            for c in [
                Controller("joint_state_broadcaster", "joint_state_broadcaster/JointStateBroadcaster", [], True),
                Controller("arm_controller", TRAJECTORY, ARM),
                Controller("operator_controller", TRAJECTORY, ARM, True),
                Controller("gripper_controller", FORWARD, ["gripper"]),
            ]
        }
        node.create_service(ListControllers, "/controller_manager/list_controllers", self.list)
        node.create_service(SwitchController, "/controller_manager/switch_controller", self.switch)
        self.states = node.create_publisher(JointState, "/joint_states", 10)
        for name in ("arm_controller", "operator_controller"):
            node.create_subscription(
                JointTrajectory, f"/{name}/joint_trajectory", lambda m, n=name: self.follow(n, m), 10
            )
        node.create_subscription(Float64MultiArray, "/gripper_controller/commands", self.grip, 10)
        node.create_timer(STEP_S, self.step)

    def list(self, _, response):
        response.controller = [c.message() for c in self.controllers.values()]
        return response

    def switch(self, request, response):
        for name in [*request.activate_controllers, *request.deactivate_controllers]:
            if name not in self.controllers:
                response.ok, response.message = False, f"no controller {name}"
                return response
        active = {c.name for c in self.controllers.values() if c.state == "active"}
        wanted = active - set(request.deactivate_controllers) | set(request.activate_controllers)
        claimed = [joint for name in wanted for joint in self.controllers[name].joints]
        if len(claimed) != len(set(claimed)):
            response.ok, response.message = False, "interfaces are claimed twice"
            return response
        for controller in self.controllers.values():
            controller.state = "active" if controller.name in wanted else "inactive"
            controller.motion = {}
        response.ok = True
        return response

    def move(self, controller, joint, to, takes):
        controller.motion[joint] = (self.positions[joint], to, time.monotonic(), takes)

    def follow(self, name, message):
        controller = self.controllers[name]
        if controller.state != "active":
            return
        controller.motion = {}
        for point in message.points[-1:]:
            takes = point.time_from_start.sec + point.time_from_start.nanosec * 1e-9
            for joint, to in zip(message.joint_names, point.positions):
                self.move(controller, joint, to, takes)

    def grip(self, message):
        controller = self.controllers["gripper_controller"]
        if controller.state == "active":
            self.move(controller, "gripper", message.data[0], STEP_S)

    def step(self):
        now = time.monotonic()
        before = dict(self.positions)
        for controller in self.controllers.values():
            for joint, (start, to, since, takes) in controller.motion.items():
                part = min(1.0, (now - since) / takes) if takes > 0.0 else 1.0
                self.positions[joint] = start + part * (to - start)
        message = JointState(name=list(self.positions), position=list(self.positions.values()))
        message.velocity = [(self.positions[j] - before[j]) / STEP_S for j in self.positions]
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.states.publish(message)


def main():
    rclpy.init()
    node = rclpy.create_node("controller_manager")
    Robot(node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    threading.Thread(target=executor.spin, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


main()
