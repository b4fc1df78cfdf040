"""Skills that others carry out: drive_to by Nav2's action and home and reach by MoveIt's, both served by rclpy, and called through
execute_skill by a client that is rclpy as well. What counts is what the robot itself measures.

usage: others.py SINEW, the program and what is to stand before it. Prints one PASS or FAIL line per check; the exit code is 1 if
any failed.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from nav_msgs.msg import Odometry
from rclpy.action import ActionClient
from sensor_msgs.msg import JointState
from sinew_msgs.action import ExecuteSkill, ExecuteTask
from sinew_msgs.msg import SafetyState
from sinew_msgs.srv import AcquireLease
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from support import Operator, Spun, System, answer, check, done, failures, latched, wait

PEER_LOST, BACKEND_UNAVAILABLE, BACKEND_REFUSED, BACKEND_NO_WAY = 401, 700, 701, 702
POSTCONDITION_FAILED = 600
BIN = (0.4, -1.6)
# From where the arm reaches, m.
NEAR = (0.42, 0.76)
HOME = {
    "arm_pan_joint": 0.0,
    "arm_shoulder_joint": -2.25,
    "arm_elbow_joint": 2.55,
    "arm_forearm_roll_joint": 0.0,
    "arm_wrist_pitch_joint": 1.270796,
    "arm_wrist_roll_joint": 0.0,
}


class Peer:
    """Nav2 or MoveIt, in a process that can be killed."""

    def __init__(self, kind, mode):
        words = [sys.executable, str(Path(__file__).with_name(f"{kind}_peer.py")), mode]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class Judge(Operator):
    def __init__(self, node):
        super().__init__(node, "/mobi")
        self.sources = set()
        node.create_subscription(SafetyState, self.state_topic, self.on_safety, latched(1))
        self.listen("/mobi/odom", Odometry, 10)
        self.listen("/mobi/joint_states", JointState, 10)
        self.skills = ActionClient(node, ExecuteSkill, "/mobi/execute_skill")
        self.tasks = ActionClient(node, ExecuteTask, "/mobi/execute_task")
        self.arm = ActionClient(node, FollowJointTrajectory, "/mobi/arm/follow_joint_trajectory")

    def on_safety(self, message):
        self.sources |= {(owner.group, owner.source) for owner in message.owners if owner.lease_id}

    def held(self, group, source):
        return (group, source) in self.sources

    def skill(self, skill_id, **arguments):
        goal = ExecuteSkill.Goal(skill_id=skill_id, args_json=json.dumps(arguments), speed_scale=1.0)
        return answer(self.skills.send_goal_async(goal))

    def drive(self, target="bin"):
        return self.skill("drive_to", target=target)

    def distance(self):
        place = self.last["/mobi/odom"].pose.pose.position
        return math.hypot(place.x - BIN[0], place.y - BIN[1])

    def speed(self):
        twist = self.last["/mobi/odom"].twist.twist
        return abs(twist.linear.x) + abs(twist.linear.y) + abs(twist.angular.z)

    def moves(self):
        return wait(lambda: self.speed() > 0.05, 15.0)

    def rests(self, within=1.0):
        return wait(lambda: self.speed() < 0.01 and self.arm_speed() < 0.02, within)

    def arm_speed(self):
        message = self.last["/mobi/joint_states"]
        speeds = dict(zip(message.name, message.velocity))
        return max(abs(speeds[joint]) for joint in HOME)

    def arm_error(self):
        message = self.last["/mobi/joint_states"]
        positions = dict(zip(message.name, message.position))
        return max(abs(positions[joint] - to) for joint, to in HOME.items())

    def turn_arm(self, pan):
        """Turns the folded arm, as any other client of follow_joint_trajectory would."""
        positions = [pan, *list(HOME.values())[1:]]
        point = JointTrajectoryPoint(positions=positions, velocities=[0.0] * 6, time_from_start=Duration(sec=2))
        goal = FollowJointTrajectory.Goal(trajectory=JointTrajectory(joint_names=list(HOME), points=[point]))
        return answer(answer(self.arm.send_goal_async(goal)).get_result_async())


def evidence(result):
    return {pair.key: pair.value for pair in result.result.evidence}


def outcome(send):
    """How a goal ended. Another one is sent where a server that has just started had not discovered yet whom to answer, which DDS
    does not tell it."""
    for _ in range(3):
        result = answer(send().get_result_async())
        if result.result.error_code != PEER_LOST or "whether it takes the goal on" not in result.result.error_msg:
            break
    return result


def ended_with(result, code):
    return result.status == GoalStatus.STATUS_ABORTED and result.result.error_code == code


def nobody(judge):
    # The world is seen a moment after the robot is READY.
    handle = wait(lambda: (sent := judge.drive()).accepted and sent, 20.0)
    if not check("no Nav2: a goal is taken on", handle, "rejected for 20 s"):
        return
    result = answer(handle.get_result_async())
    named = "/mobi/navigate_to_pose" in result.result.error_msg
    check("no Nav2: the outcome says which action is missing", ended_with(result, BACKEND_UNAVAILABLE) and named, result)


def drives(judge):
    external, skill = AcquireLease.Request.SOURCE_EXTERNAL, AcquireLease.Request.SOURCE_SKILL
    with Peer("nav2", "claim"):
        result = outcome(judge.drive)
        check("Nav2 claims: is not believed", ended_with(result, POSTCONDITION_FAILED), result)
    with Peer("nav2", "reject"):
        before = judge.distance()
        result = outcome(judge.drive)
        check("Nav2 rejects: the outcome says so", ended_with(result, BACKEND_REFUSED), result)
        check("Nav2 rejects: nothing moved", abs(judge.distance() - before) < 0.01)
    with Peer("nav2", "give_up"):
        result = outcome(judge.drive)
        named = evidence(result).get("nav2_error") == "ComputePathToPose NO_VALID_PATH"
        check("Nav2 gives up: its error is named and typed", ended_with(result, BACKEND_NO_WAY) and named, result)
        check("Nav2 gives up: its words are kept", "a wall is in the way" in result.result.error_msg, result)
        check("Nav2 gives up: at rest when the result comes", judge.rests(), judge.speed())
    with Peer("nav2", "drive"):
        handle = judge.drive()
        check("Nav2 drives: the robot moves", handle.accepted and judge.moves())
        reply = answer(handle.cancel_goal_async())
        result = answer(handle.get_result_async())
        cancelled = result.status == GoalStatus.STATUS_CANCELED and evidence(result).get("nav2_status") == "canceled"
        check("Nav2 is cancelled: it ends there and here", reply.goals_canceling and cancelled, result)
        check("Nav2 is cancelled: at rest when the result comes", judge.rests(), judge.speed())

        result = done(judge.drive)
        succeeded = result.status == GoalStatus.STATUS_SUCCEEDED and result.result.postcondition_met
        check("Nav2 drives: success", succeeded, result)
        near = wait(lambda: NEAR[0] <= judge.distance() <= NEAR[1], 2.0)
        check("Nav2 drives: the robot is measured near the bin", near, judge.distance())
        check("Nav2 drives: under its own lease, the skill under none", judge.held("base", external) and not judge.held("base", skill), judge.sources)


def killed_nav2(judge):
    with Peer("nav2", "drive") as peer:
        handle = judge.drive("green_cube")
        check("Nav2 killed: the robot moves", handle.accepted and judge.moves())
        peer.kill()
        check("Nav2 killed: the robot rests", judge.rests(3.0), judge.speed())
        result = answer(handle.get_result_async(), 20.0)
        check("Nav2 killed: the outcome says so", ended_with(result, PEER_LOST) and "Nav2" in result.result.error_msg, result)
        check("Nav2 killed: nothing is latched", judge.is_in(SafetyState.MODE_READY), judge.safety())


def moves_arm(judge):
    external, skill = AcquireLease.Request.SOURCE_EXTERNAL, AcquireLease.Request.SOURCE_SKILL
    with Peer("moveit", "no_plan"):
        judge.turn_arm(0.8)
        result = outcome(lambda: judge.skill("home"))
        named = evidence(result).get("moveit_error") == "PLANNING_FAILED"
        check("MoveIt has no plan: named and typed", ended_with(result, BACKEND_NO_WAY) and named, result)
        check("MoveIt has no plan: nothing moved", judge.arm_error() > 0.7, judge.arm_error())
    with Peer("moveit", "move"):
        handle = judge.skill("home")
        check("MoveIt moves: the arm moves", handle.accepted and wait(lambda: judge.arm_error() < 0.6, 15.0))
        answer(handle.cancel_goal_async())
        result = answer(handle.get_result_async())
        cancelled = result.status == GoalStatus.STATUS_CANCELED and evidence(result).get("moveit_status") == "canceled"
        check("MoveIt is cancelled: it ends there and here", cancelled, result)
        check("MoveIt is cancelled: at rest, on the way", judge.rests() and judge.arm_error() > 0.05, judge.arm_error())
        judge.sources.clear()
        result = done(lambda: judge.skill("home"))
        check("MoveIt moves: success", result.status == GoalStatus.STATUS_SUCCEEDED, result)
        at_home = wait(lambda: judge.arm_error() < 0.03, 2.0)
        check("MoveIt moves: the arm is measured at home", at_home, judge.arm_error())
        check("MoveIt moves: under its own lease, the skill under none", judge.held("arm", external) and not judge.held("arm", skill), judge.sources)


def task(judge):
    """The planner knows nothing of all this."""
    with Peer("nav2", "drive"), Peer("moveit", "move"):
        goal = ExecuteTask.Goal(instruction="put the red cube in the bin")
        result = done(lambda: answer(judge.tasks.send_goal_async(goal)), within=240.0)
        is_met = result.status == GoalStatus.STATUS_SUCCEEDED and result.result.goal_met
        check("a task through both: the red cube is measured in the bin", is_met, result)


def killed_moveit(judge):
    with Peer("moveit", "move") as peer:
        judge.turn_arm(0.8)
        handle = judge.skill("home")
        check("MoveIt killed: the arm moves", handle.accepted and wait(lambda: judge.arm_error() < 0.6, 15.0))
        peer.kill()
        result = answer(handle.get_result_async(), 30.0)
        check("MoveIt killed: the outcome says so", ended_with(result, PEER_LOST) and "MoveIt" in result.result.error_msg, result)
        check("MoveIt killed: at rest when the result comes", judge.rests(), judge.arm_speed())
        check("MoveIt killed: nothing is latched", judge.is_in(SafetyState.MODE_READY), judge.safety())


def main(program):
    with System(program, "/mobi") as system, Spun("judge") as node:
        judge = Judge(node)
        others = {"navigation": "nav2", "nav2.frame_id": "map", "motion": "moveit", "moveit.group": "arm"}
        system.start_table(**others)
        try:
            check("the robot gets READY", wait(lambda: judge.is_in(SafetyState.MODE_READY)), judge.safety())
            for client in (judge.skills, judge.tasks, judge.arm):
                check("an action server is found", client.wait_for_server(timeout_sec=30))
            check("the robot says where it is", wait(lambda: {"/mobi/odom", "/mobi/joint_states"} <= judge.last.keys()))
            nobody(judge)
            drives(judge)
            moves_arm(judge)
            task(judge)
            killed_nav2(judge)
            killed_moveit(judge)
            check("every process lives", not system.ended(), system.ended())
        except TimeoutError as error:
            check("an answer to each request", False, error)
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
