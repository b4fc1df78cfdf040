"""Drives `ros2-fit` from the other side with rclpy: a client of its server, a server for its client.

Usage: peer.py COMMAND..., where COMMAND is the built `ros2-fit`. Prints one PASS or FAIL line per
check; the exit code is 1 if any failed.
"""

import math
import subprocess
import sys
import threading
import time

import rclpy
from action_msgs.msg import GoalStatus, GoalStatusArray
from action_msgs.srv import CancelGoal
from builtin_interfaces.msg import Duration, Time
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.executors import MultiThreadedExecutor
from rclpy.qos import qos_profile_action_status_default
from sinew_msgs.action import ExecuteSkill

TIMEOUT_S = 10.0
failures = 0


def check(name, passed, seen=""):
    global failures
    failures += not passed
    print(f"{'PASS' if passed else 'FAIL'} {name}{'' if passed else f': {seen}'}", flush=True)


def wait(predicate):
    deadline = time.monotonic() + TIMEOUT_S
    while not predicate() and time.monotonic() < deadline:
        time.sleep(0.01)
    return predicate()


class Caller:
    """An rclpy client of /execute_skill that waits for each answer."""

    def __init__(self, node):
        self.actions = ActionClient(node, ExecuteSkill, "/execute_skill")
        self.cancel = node.create_client(CancelGoal, "/execute_skill/_action/cancel_goal")
        self.statuses = {}
        node.create_subscription(
            GoalStatusArray, "/execute_skill/_action/status", self.on_status, qos_profile_action_status_default
        )

    def on_status(self, message):
        for entry in message.status_list:
            self.statuses[bytes(entry.goal_info.goal_id.uuid)] = entry.status

    def send(self, skill_id, feedback=None, **fields):
        return self.answer(
            self.actions.send_goal_async(ExecuteSkill.Goal(skill_id=skill_id, **fields), feedback_callback=feedback)
        )

    @staticmethod
    def answer(future):
        if not wait(future.done):
            raise TimeoutError(f"no answer within {TIMEOUT_S} s")
        return future.result()

    def result(self, goal):
        return self.answer(goal.get_result_async())

    def shows(self, goal, status):
        return wait(lambda: self.statuses.get(bytes(goal.goal_id.uuid)) == status)


def check_server(caller):
    check("reject: an unknown skill", not caller.send("unknown").accepted)

    feedback = []
    fields = dict(
        args_json='{"goal":"Würfel"}',
        issued_at=Time(sec=1_700_000_000, nanosec=5),
        max_duration=Duration(sec=3),
        speed_scale=0.25,
        on_busy=1,
        expected_stop_epoch=2**64 - 1,
        correlation_id="call-7",
        dry_run=True,
    )
    goal = caller.send("count", lambda message: feedback.append(message.feedback), **fields)
    check("accept: with the time of acceptance", goal.accepted and goal.stamp.sec > 1_700_000_000, goal.stamp)
    answer = caller.result(goal)
    check("result: succeeded", answer.status == GoalStatus.STATUS_SUCCEEDED, answer.status)
    evidence = {pair.key: pair.value for pair in answer.result.evidence}
    expected = {
        "args_json": '{"goal":"Würfel"}',
        "issued_at": "1700000000.000000005",
        "speed_scale": "0.25",
        "on_busy": "1",
        "expected_stop_epoch": str(2**64 - 1),
        "correlation_id": "call-7",
        "dry_run": "true",
    }
    check("goal: every field arrived", evidence == expected, evidence)
    fields_ok = answer.result.postcondition_met and answer.result.elapsed == Duration(sec=1, nanosec=500_000_000)
    check("result: every field arrived", fields_ok and answer.result.interventions == 2, answer.result)
    depths = [message.queue_depth for message in feedback]
    in_order = len(depths) > 5 and depths == sorted(depths)
    check("feedback: in order", in_order and all(math.isnan(message.inference_ms) for message in feedback), depths)

    goal = caller.send("until_cancelled")
    reply = caller.answer(goal.cancel_goal_async())
    check("cancel: accepted", reply.return_code == 0 and len(reply.goals_canceling) == 1, reply)
    answer = caller.result(goal)
    check("cancel: result", answer.status == GoalStatus.STATUS_CANCELED, answer.status)
    check("cancel: status topic", caller.shows(goal, GoalStatus.STATUS_CANCELED), caller.statuses)
    reply = caller.answer(goal.cancel_goal_async())
    check("cancel: too late", reply.return_code == CancelGoal.Response.ERROR_GOAL_TERMINATED, reply)

    goal = caller.send("refuses_cancel")
    reply = caller.answer(goal.cancel_goal_async())
    check("cancel: refused", reply.return_code == CancelGoal.Response.ERROR_REJECTED, reply)
    answer = caller.result(goal)
    check("cancel: refused, goal still succeeds", answer.status == GoalStatus.STATUS_SUCCEEDED, answer.status)

    goal = caller.send("aborts_when_cancelled")
    caller.answer(goal.cancel_goal_async())
    answer = caller.result(goal)
    aborted = answer.status == GoalStatus.STATUS_ABORTED and answer.result.error_code == 400
    check("abort: also while cancelling", aborted, answer)

    goals = [caller.send("until_cancelled") for _ in range(2)]
    reply = caller.answer(caller.cancel.call_async(CancelGoal.Request()))
    check("cancel: all goals at once", reply.return_code == 0 and len(reply.goals_canceling) == 2, reply)
    ended = [caller.result(goal).status for goal in goals]
    check("cancel: all results", ended == [GoalStatus.STATUS_CANCELED] * 2, ended)


def check_client(node, command):
    goals = []

    def execute(handle):
        goals.append(handle.request)
        handle.publish_feedback(ExecuteSkill.Feedback(phase="peer", queue_depth=3))
        wait(lambda: handle.is_cancel_requested)
        handle.canceled()
        return ExecuteSkill.Result(termination_reason="peer_cancelled")

    server = ActionServer(
        node, ExecuteSkill, "/peer/execute_skill", execute, cancel_callback=lambda _: CancelResponse.ACCEPT
    )
    outcome = subprocess.run([*command, "call"], capture_output=True, text=True, timeout=60)
    check("call: goal, feedback, cancel, result", outcome.returncode == 0, outcome.stderr.strip())
    expected = ExecuteSkill.Goal(
        skill_id="reach",
        skill_version="^1.2",
        args_json='{"goal":"Würfel"}',
        issued_at=Time(sec=1_700_000_000, nanosec=123_456_789),
        valid_for=Duration(sec=2, nanosec=1),
        max_duration=Duration(sec=30, nanosec=2),
        speed_scale=0.5,
        on_busy=1,
        on_planner_loss=2,
        expected_stop_epoch=2**64 - 1,
        correlation_id="call-7",
        dry_run=True,
    )
    check("call: every field arrived", goals == [expected], goals)
    server.destroy()


def main(command):
    rclpy.init()
    node = rclpy.create_node("ros2_fit_peer")
    executor = MultiThreadedExecutor(4)
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin)
    spinning.start()
    process = subprocess.Popen([*command, "serve"])
    try:
        caller = Caller(node)
        found = caller.actions.wait_for_server(timeout_sec=TIMEOUT_S)
        check("serve: the server is found", found)
        if found:
            check_server(caller)
            check("serve: still running", process.poll() is None, process.returncode)
        check_client(node, command)
    except TimeoutError as error:
        check("an answer to each request", False, error)
    finally:
        process.terminate()
        process.wait()
        executor.shutdown()
        spinning.join()
        node.destroy_node()
        rclpy.try_shutdown()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
