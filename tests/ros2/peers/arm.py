"""Sinew moves a robot that runs ros2_control, and is itself commanded as MoveIt commands an arm: rclpy on both sides.

usage: arm.py SINEW, the program and what is to stand before it. Prints one PASS or FAIL line per check; the exit code is 1 if
any failed.
"""

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory, GripperCommand
from controller_manager_msgs.srv import ListControllers
from rclpy.action import ActionClient
from sensor_msgs.msg import JointState
from sinew_msgs.msg import SafetyState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from support import ROOT, Operator, Spun, System, answer, check, failures, wait

ROBOT = "/arm"
ARM = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll"]
READY = [0.3, -0.2, 0.4, 1.3, -0.5]
HOME = [0.0, -1.6, 1.5, 1.0, 0.0]


def robot_file(folder):
    """The SO-101 of the repository, moved through ros2_control instead of its servo bus."""
    text = (ROOT / "urdf/so101_follower.robot.yaml").read_text().split("# Nominal calibration")[0]
    text += """ros2_control:
  groups:
    arm: {controller: arm_controller, kind: joint_trajectory}
    gripper: {controller: gripper_controller, kind: forward_command}
"""
    (folder / "so101_follower.urdf").write_text((ROOT / "urdf/so101_follower.urdf").read_text())
    (folder / "arm.robot.yaml").write_text(text)
    return folder / "arm.robot.yaml"


class Peer:
    """The robot, in a process that can be killed."""

    def __init__(self):
        script = Path(__file__).with_name("arm_robot.py")
        words = [sys.executable, str(script)]
        # The judge speaks to it as well, rclpy to rclpy: what that file is for must not end this judge either.
        environment = os.environ | {"FASTDDS_DEFAULT_PROFILES_FILE": str(ROOT / "launch/fast_dds.xml")}
        self.process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Judge(Operator):
    def __init__(self, node):
        super().__init__(node, ROBOT)
        self.listen("/joint_states", JointState, 10)
        self.listen(f"{ROBOT}/joint_states", JointState, 10)
        self.arm = ActionClient(node, FollowJointTrajectory, f"{ROBOT}/arm/follow_joint_trajectory")
        self.gripper = ActionClient(node, GripperCommand, f"{ROBOT}/gripper/gripper_cmd")
        self.controllers = node.create_client(ListControllers, "/controller_manager/list_controllers")

    def active(self):
        """Names of the robot's active controllers."""
        listed = answer(self.controllers.call_async(ListControllers.Request())).controller
        return {c.name for c in listed if c.state == "active"}

    def positions(self, topic="/joint_states"):
        """Of the robot itself, not of what Sinew says of it."""
        message = self.last[topic]
        return dict(zip(message.name, message.position))

    def error(self, target):
        positions = self.positions()
        return max(abs(positions[joint] - to) for joint, to in zip(ARM, target))

    def is_at(self, target):
        """A result may be here before the joint states that it was judged by."""
        return wait(lambda: self.error(target) < 0.02, 2.0)

    def follow(self, *targets, each_s=2.0, joints=ARM):
        points = [
            JointTrajectoryPoint(
                positions=list(target),
                velocities=[0.0] * len(target),
                time_from_start=Duration(sec=int(each_s * n), nanosec=int(each_s * n % 1.0 * 1e9)),
            )
            for n, target in enumerate(targets, 1)
        ]
        goal = FollowJointTrajectory.Goal(trajectory=JointTrajectory(joint_names=list(joints), points=points))
        return answer(self.arm.send_goal_async(goal))

    def moves(self):
        start = self.positions()
        return wait(lambda: any(abs(self.positions()[j] - start[j]) > 0.02 for j in ARM), 10.0)

    def rests(self):
        def still():
            return all(abs(v) < 0.01 for v in self.last["/joint_states"].velocity)

        return wait(still, 3.0)


def claims(judge):
    check("the arm is somebody else's before", "operator_controller" in judge.active(), judge.active())
    armed = wait(lambda: judge.call("safety/arm").success, 20.0)
    check("armed: READY", armed and wait(lambda: judge.is_in(SafetyState.MODE_READY), 10.0), judge.safety())
    ours = {"arm_controller", "gripper_controller"} <= judge.active()
    check("armed: our controllers are active, the other is not", ours and "operator_controller" not in judge.active(), judge.active())
    check("armed: nothing moves", judge.rests() and judge.error(HOME) < 0.01, judge.positions())
    same = wait(lambda: judge.positions(f"{ROBOT}/joint_states").keys() >= set(ARM))
    check("joint_states: by name, whatever the order", same, judge.positions(f"{ROBOT}/joint_states"))


def trajectories(judge):
    check("follow_joint_trajectory: is found", judge.arm.wait_for_server(timeout_sec=20))
    handle = judge.follow(READY)
    result = answer(handle.get_result_async())
    reached = result.status == GoalStatus.STATUS_SUCCEEDED and judge.is_at(READY)
    check("follow_joint_trajectory: the robot itself is there", handle.accepted and reached, (result, judge.positions()))
    backwards = judge.follow(HOME[::-1], joints=ARM[::-1])
    check("follow_joint_trajectory: joints in another order", backwards.accepted)
    result = answer(backwards.get_result_async())
    sorted_too = result.status == GoalStatus.STATUS_SUCCEEDED and judge.is_at(HOME)
    check("follow_joint_trajectory: are sorted", sorted_too, (result, judge.positions()))
    check("follow_joint_trajectory: another joint is refused", not judge.follow([0.0], joints=["tail"]).accepted)
    beyond = judge.follow([9.0, -0.2, 0.4, 1.3, 0.0])
    check("follow_joint_trajectory: beyond the limits is refused", not beyond.accepted)

    handle = judge.follow(READY, each_s=4.0)
    check("follow_joint_trajectory: moves", wait(lambda: judge.error(HOME) > 0.3, 10.0))
    answer(handle.cancel_goal_async())
    result = answer(handle.get_result_async())
    check("follow_joint_trajectory: cancelled, at rest", result.status == GoalStatus.STATUS_CANCELED and judge.rests(), result)
    stopped = judge.positions()
    check("follow_joint_trajectory: in between", judge.error(HOME) > 0.05 and judge.error(READY) > 0.05, stopped)

    first = judge.follow(READY, each_s=6.0)
    judge.moves()
    second = judge.follow(HOME, each_s=3.0)
    result = answer(first.get_result_async())
    check("follow_joint_trajectory: a new goal ends the old one", result.status == GoalStatus.STATUS_ABORTED, result)
    result = answer(second.get_result_async())
    check("follow_joint_trajectory: and is followed", result.status == GoalStatus.STATUS_SUCCEEDED and judge.is_at(HOME), result)


def gripper(judge):
    for width in (0.06, 0.02):
        goal = GripperCommand.Goal()
        goal.command.position, goal.command.max_effort = width, 10.0
        handle = answer(judge.gripper.send_goal_async(goal))
        result = answer(handle.get_result_async())
        there = wait(lambda w=width: abs(judge.positions()["gripper"] - w) < 0.005, 2.0)
        check(f"gripper_cmd: {width} m", result.result.reached_goal and there, (result, judge.positions()))


def stops(judge):
    handle = judge.follow(READY, each_s=6.0)
    check("e-stop: the arm moves", handle.accepted and judge.moves())
    check("e-stop: is taken", judge.call("hardware/e_stop_trigger").success)
    result = answer(handle.get_result_async())
    check("e-stop: the goal is aborted with a reason", result.status == GoalStatus.STATUS_ABORTED and result.result.error_string, result)
    check("e-stop: the robot rests", judge.rests(), judge.last["/joint_states"].velocity)
    judge.call("hardware/e_stop_reset")
    armed = wait(lambda: judge.call("safety/arm").success, 20.0)
    check("e-stop: armed again", armed and wait(lambda: judge.is_in(SafetyState.MODE_READY), 10.0), judge.safety())


def lost_robot(judge, peer):
    handle = judge.follow(READY, each_s=6.0)
    check("robot killed: the arm moves", handle.accepted and judge.moves())
    peer.kill()
    check("robot killed: FAULT", wait(lambda: judge.is_in(SafetyState.MODE_FAULT), 5.0), judge.safety())
    result = answer(handle.get_result_async())
    check("robot killed: the goal is aborted with a reason", result.status == GoalStatus.STATUS_ABORTED and result.result.error_string, result)


def hand_back(judge, system):
    system.stop("hardware")
    check("ended: the operator's controller is active again", "operator_controller" in judge.active(), judge.active())
    check("ended: nothing moves", judge.rests() and not math.isnan(judge.error(HOME)), judge.positions())


def main(program):
    with tempfile.TemporaryDirectory() as folder, System(program, ROBOT) as system, Spun("judge") as node:
        file = robot_file(Path(folder))
        peer = Peer()
        try:
            judge = Judge(node)
            check("the robot is there", wait(lambda: judge.last.get("/joint_states")))
            system.start("hardware", driver="ros2_control", robot=file)
            check("the hardware node is there", wait(judge.safety), "no safety state")
            claims(judge)
            trajectories(judge)
            gripper(judge)
            stops(judge)
            hand_back(judge, system)
            system.start("hardware", driver="ros2_control", robot=file)
            judge.last.pop(judge.state_topic)
            check("started anew", wait(judge.safety), "no safety state")
            check("armed anew", wait(lambda: judge.call("safety/arm").success, 20.0))
            check("READY anew", wait(lambda: judge.is_in(SafetyState.MODE_READY), 10.0), judge.safety())
            check("the action is found anew", judge.arm.wait_for_server(timeout_sec=20))
            lost_robot(judge, peer)
            check("the hardware process lives", not system.ended(), system.ended())
        except TimeoutError as error:
            check("an answer to each request", False, error)
        finally:
            peer.kill()
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
