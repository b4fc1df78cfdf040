"""Drives a whole Sinew system from rclpy, as a user of ROS 2 would who has not read its source.

usage: system.py SINEW, the program and what is to stand before it. Prints one PASS or FAIL line per check; the exit code is 1 if any failed.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.action import ActionClient
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState, Joy
from sinew_msgs.action import ExecuteSkill, ExecuteTask
from sinew_msgs.msg import SafetyState, SkillManifestArray, SkillResult
from sinew_msgs.srv import AcquireLease
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from support import TRY_AGAIN, Operator, Spun, System, answer, check, done, failures, latched, wait

DEFAULT = QoSProfile(depth=10)


class Judge(Operator):
    """What a user sees and can do."""

    def __init__(self, node):
        super().__init__(node, "/mobi")
        self.results = {}
        self.feedback = []
        self.listen("/mobi/odom", Odometry, DEFAULT)
        node.create_subscription(SkillResult, "/mobi/skill_results", self.on_result, latched(10))
        self.skills = ActionClient(node, ExecuteSkill, "/mobi/execute_skill")
        self.tasks = ActionClient(node, ExecuteTask, "/mobi/execute_task")

    def on_result(self, message):
        self.results[bytes(message.goal_id)] = message

    def speed(self):
        twist = self.last["/mobi/odom"].twist.twist
        return abs(twist.linear.x) + abs(twist.linear.y) + abs(twist.angular.z)

    def moves(self):
        return wait(lambda: self.speed() > 0.05)

    def rests(self, within=10.0):
        return wait(lambda: self.speed() < 0.01, within)

    def skill(self, skill_id, arguments=None, **fields):
        """Sends a goal; its handle."""
        goal = ExecuteSkill.Goal(
            skill_id=skill_id, args_json=json.dumps(arguments or {}), speed_scale=1.0, **fields
        )
        return answer(
            self.skills.send_goal_async(goal, feedback_callback=lambda m: self.feedback.append(m.feedback))
        )

    def reason(self, handle):
        """What skill_results says of a goal."""
        found = wait(lambda: self.results.get(bytes(handle.goal_id.uuid)))
        return found or SkillResult()

    def drive(self, **fields):
        return self.skill("drive_to", {"target": "red_cube"}, **fields)

    def go_home(self):
        """Folds the arm, which drive_to asks for."""
        return done(lambda: self.skill("home"))

    def go_to(self, target):
        """Drives there, to its end."""
        return done(lambda: self.skill("drive_to", {"target": target}))


def topics(judge):
    latched_late = {
        "/mobi/skills": SkillManifestArray,
        "/mobi/robot_description": String,
        "/mobi/tf_static": TFMessage,
    }
    for name, kind in latched_late.items():
        judge.listen(name, kind, latched(1))
    judge.listen("/mobi/joint_states", JointState, DEFAULT)
    judge.listen("/mobi/tf", TFMessage, QoSProfile(depth=100))
    judge.listen("/diagnostics", DiagnosticArray, DEFAULT)
    for name in [*latched_late, "/mobi/joint_states", "/mobi/tf", "/diagnostics", "/mobi/odom"]:
        check(f"topic {name}", wait(lambda n=name: judge.counts.get(n)), "nothing was heard")
    skills = {skill.id for skill in judge.last["/mobi/skills"].skills}
    check("skills: latched for late joiners", {"drive_to", "pick", "place"} <= skills, skills)
    joints = judge.last["/mobi/joint_states"]
    check("joint_states: names and positions", 0 < len(joints.name) == len(joints.position), joints)
    check("robot_description: a URDF", "<robot" in judge.last["/mobi/robot_description"].data)
    before = judge.counts["/mobi/joint_states"]
    time.sleep(1.0)
    rate = judge.counts["/mobi/joint_states"] - before
    check("joint_states: at rate", rate >= 20, f"{rate} in a second")


def skills(judge):
    handle = judge.skill("fly")
    check("execute_skill: an unknown skill is rejected", not handle.accepted)
    reason = judge.reason(handle)
    check("execute_skill: skill_results says why", not reason.accepted and "fly" in reason.error_msg, reason)
    handle = judge.skill("wait", {"duration_s": -1.0})
    reason = judge.reason(handle)
    told = not handle.accepted and "duration_s" in reason.error_msg
    check("execute_skill: a wrong argument is rejected and named", told, reason.error_msg)

    result = judge.go_home()
    check("execute_skill: home succeeds", result.status == GoalStatus.STATUS_SUCCEEDED, result)
    check("execute_skill: the result is measured", result.result.postcondition_met, result.result)

    judge.feedback.clear()
    handle = judge.drive()
    check("execute_skill: accepted", handle.accepted)
    check("execute_skill: feedback comes", wait(lambda: judge.feedback), "none")
    check("execute_skill: the robot moves", judge.moves())
    reply = answer(handle.cancel_goal_async())
    check("execute_skill: cancel is accepted", reply.return_code == 0 and reply.goals_canceling, reply)
    result = answer(handle.get_result_async())
    check("execute_skill: cancelled", result.status == GoalStatus.STATUS_CANCELED, result)
    check("execute_skill: at rest when the result comes", judge.rests(1.0), f"{judge.speed()} m/s or rad/s")

    first = judge.drive()
    check("execute_skill: the robot moves again", first.accepted and judge.moves())
    busy = judge.drive()
    check("execute_skill: a second goal is rejected while it is busy", not busy.accepted)
    second = judge.skill("drive_to", {"target": "bin"}, on_busy=1)
    check("execute_skill: it may pre-empt", second.accepted, judge.reason(second))
    result = answer(first.get_result_async())
    check("execute_skill: the first one is aborted", result.status == GoalStatus.STATUS_ABORTED, result)
    result = answer(second.get_result_async())
    if result.result.error_code in TRY_AGAIN:
        result = judge.go_to("bin")
    check("execute_skill: the second one succeeds", result.status == GoalStatus.STATUS_SUCCEEDED, result)


def killed_clients(judge):
    def victim():
        script = Path(__file__).with_name("victim.py")
        words = [sys.executable, str(script), "drive_to", '{"target": "red_cube"}']
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        said = process.stdout.readline().strip()
        check("killed client: its goal is accepted", said == "accepted", said)
        return process

    def end_of(known):
        return wait(lambda: set(judge.results) - known)

    for moment in ["after accept", "in mid-motion", "between end and get_result"]:
        judge.go_home()
        # Away from the goal of the one before.
        judge.go_to("bin")
        known = set(judge.results)
        process = victim()
        if moment != "after accept":
            check(f"killed client {moment}: the robot moves", judge.moves())
        if moment == "between end and get_result":
            end_of(known)
        process.kill()
        process.wait()
        new = end_of(known)
        outcome = [judge.results[goal] for goal in new or []]
        ended = outcome and outcome[0].correlation_id == "victim" and outcome[0].error_code in (0, *TRY_AGAIN)
        check(f"killed client {moment}: its goal ends, and skill_results tells", ended, outcome)
        check(f"killed client {moment}: the robot rests", judge.rests(), judge.speed())
        check(f"killed client {moment}: nothing is latched", judge.is_in(SafetyState.MODE_READY), judge.safety())


class Pad:
    """A gamepad that reports 50 times a second, as the mapping teleop/xbox.teleop.yaml reads it: on a thread of its own, since a
    timer waits for the executor's other callbacks, and a pad that is late by 0.1 s is lost."""

    def __init__(self, node):
        self.node = node
        self.publisher = node.create_publisher(Joy, "/mobi/joy", DEFAULT)
        self.held, self.forward, self.is_silent = False, 0.0, False
        self.is_unplugged = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_unplugged.set()
        self.thread.join()

    def run(self):
        while not self.is_unplugged.wait(0.02):
            if not self.is_silent:
                self.report()

    def report(self):
        message = Joy(axes=[0.0] * 8, buttons=[0] * 11)
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.axes[1] = self.forward
        message.axes[2] = message.axes[5] = 1.0
        message.buttons[4] = int(self.held)
        self.publisher.publish(message)


def teleop(judge):
    with Pad(judge.node) as pad:
        take_over_and_fall_silent(judge, pad)


def take_over_and_fall_silent(judge, pad):
    check("joy: teleop listens", wait(lambda: pad.publisher.get_subscription_count() > 0))

    def owner():
        return judge.owner("base")

    def take_over():
        judge.go_home()
        judge.go_to("bin")
        goal = judge.drive()
        check("joy: a skill drives", goal.accepted and judge.moves())
        pad.held = True
        taken = wait(lambda: owner().source == teleop_source, 3.0)
        pad.forward = -0.5
        return goal, taken, wait(lambda: judge.last["/mobi/odom"].twist.twist.linear.x < -0.05, 5.0)

    teleop_source = AcquireLease.Request.SOURCE_TELEOP
    for _ in range(3):
        goal, taken, drives_back = take_over()
        if taken and drives_back:
            break
        # A pad that a busy machine has report too late is lost, as one that is silent: the button has to be pressed anew.
        pad.held, pad.forward = False, 0.0
        answer(goal.get_result_async())
        judge.call("safety/resume")
    check("joy: takes the base over", taken, owner())
    check("joy: drives it", drives_back, judge.last["/mobi/odom"].twist.twist)
    pad.is_silent = True
    check("joy: silence with the button held stops the robot", judge.rests(3.0), judge.speed())
    result = answer(goal.get_result_async())
    ended = result.status == GoalStatus.STATUS_ABORTED and result.result.interventions >= 1
    check("joy: the skill ends unless it is resumed, and counts the intervention", ended, result)
    check("joy: nothing resumes by itself", owner().needs_resume and owner().source == 0, owner())
    pad.held, pad.forward, pad.is_silent = False, 0.0, False
    check("joy: an operator resumes", judge.call("safety/resume").success)
    check("joy: then skills may drive again", wait(lambda: not owner().needs_resume), owner())


def tasks(judge):
    handle = answer(judge.tasks.send_goal_async(ExecuteTask.Goal(instruction="dance on the moon")))
    result = answer(handle.get_result_async()) if handle.accepted else None
    refused = result and result.status == GoalStatus.STATUS_ABORTED and result.result.error_code // 100 == 1
    check("execute_task: words that mean nothing are refused with a reason", refused and result.result.error_msg, result)

    heard = []
    handle = answer(judge.tasks.send_goal_async(ExecuteTask.Goal(instruction="put the green cube on the tray")))
    check("execute_task: the robot moves", handle.accepted and judge.moves())
    answer(handle.cancel_goal_async())
    result = answer(handle.get_result_async())
    check("execute_task: cancelled", result.status == GoalStatus.STATUS_CANCELED, result)
    check("execute_task: at rest", judge.rests(2.0), judge.speed())

    goal = ExecuteTask.Goal(instruction="put the red cube in the bin")

    def send():
        return answer(judge.tasks.send_goal_async(goal, feedback_callback=lambda m: heard.append(m.feedback)))

    result = done(send, within=180.0)
    is_met = result.status == GoalStatus.STATUS_SUCCEEDED and result.result.goal_met
    check("execute_task: the red cube is measured in the bin", is_met, result)
    check("execute_task: feedback tells the steps", {f.skill_id for f in heard} >= {"pick", "place"}, len(heard))
    outcomes = [(step.skill_id, step.error_code) for step in result.result.steps]
    check("execute_task: every step has an outcome", len(outcomes) >= 2 and not any(e for _, e in outcomes), outcomes)


def dead_skills(judge, system):
    judge.go_home()
    handle = judge.skill("drive_to", {"target": "blue_cube"})
    check("dead skills process: the robot moves", handle.accepted and judge.moves())
    system.kill("skills")
    check("dead skills process: its lease ends", wait(lambda: judge.owner("base").source == 0, 2.0), judge.safety())
    check("dead skills process: the robot rests", judge.rests(3.0), judge.speed())


def e_stop(judge):
    check("e-stop: is taken", judge.call("hardware/e_stop_trigger").success)
    check("e-stop: ESTOP", wait(lambda: judge.is_in(SafetyState.MODE_ESTOP), 5.0), judge.safety())
    check("e-stop: reset leads to DISARMED", judge.call("hardware/e_stop_reset").success)
    check("e-stop: DISARMED", wait(lambda: judge.is_in(SafetyState.MODE_DISARMED), 5.0), judge.safety())
    armed = wait(lambda: judge.call("safety/arm").success, 20.0)
    check("e-stop: armed by an operator", armed, judge.safety())
    check("e-stop: READY", wait(lambda: judge.is_in(SafetyState.MODE_READY), 5.0), judge.safety())


def main(program):
    with System(program, "/mobi") as system, Spun("judge") as node:
        judge = Judge(node)
        system.start_table()
        try:
            ready = wait(lambda: judge.is_in(SafetyState.MODE_READY))
            check("the robot gets READY", ready, judge.safety())
            for client in (judge.skills, judge.tasks):
                check("an action server is found", client.wait_for_server(timeout_sec=30))
            topics(judge)
            skills(judge)
            killed_clients(judge)
            teleop(judge)
            tasks(judge)
            e_stop(judge)
            dead_skills(judge, system)
            check("every other process lives", not system.ended(), system.ended())
        except TimeoutError as error:
            check("an answer to each request", False, error)
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
