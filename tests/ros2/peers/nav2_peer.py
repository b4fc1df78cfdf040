"""Nav2, as far as a client can tell: a NavigateToPose server that drives the robot by cmd_vel, by where odom says it is.

usage: nav2_peer.py MODE. drive: to the goal; reject: every goal; give_up: after a second, with an error; claim: to be there at
once. It says `ready` once it serves, and ends with its input.
"""

import math
import sys
import threading
import time

import rclpy
from geometry_msgs.msg import Twist
from nav2_msgs.action import NavigateToPose
from nav_msgs.msg import Odometry
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor

PERIOD_S = 0.05
NO_VALID_PATH = 208


def yaw(orientation):
    return 2.0 * math.atan2(orientation.z, orientation.w)


def wrapped(angle):
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


class Nav2:
    def __init__(self, node, mode):
        self.node, self.mode, self.pose = node, mode, None
        self.cmd_vel = node.create_publisher(Twist, "/mobi/cmd_vel", 10)
        group = ReentrantCallbackGroup()
        node.create_subscription(Odometry, "/mobi/odom", self.hear, 10, callback_group=group)
        self.server = ActionServer(
            node,
            NavigateToPose,
            "/mobi/navigate_to_pose",
            self.execute,
            goal_callback=lambda _: GoalResponse.REJECT if mode == "reject" else GoalResponse.ACCEPT,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=group,
        )

    def hear(self, message):
        self.pose = message.pose.pose

    def drive(self, forward=0.0, turn=0.0):
        twist = Twist()
        twist.linear.x, twist.angular.z = forward, max(-0.8, min(0.8, turn))
        self.cmd_vel.publish(twist)

    def step(self, goal):
        """Turns to the goal, drives to it, turns as it says. Whether it is there."""
        dx, dy = goal.position.x - self.pose.position.x, goal.position.y - self.pose.position.y
        far = math.hypot(dx, dy)
        to = math.atan2(dy, dx) if far > 0.03 else yaw(goal.orientation)
        turn = wrapped(to - yaw(self.pose.orientation))
        if far <= 0.03 and abs(turn) < 0.03:
            self.drive()
            return True
        self.drive(min(far, 0.35) if far > 0.03 and abs(turn) < 0.3 else 0.0, 1.5 * turn)
        return False

    def execute(self, handle):
        goal, result = handle.request.pose, NavigateToPose.Result()
        if goal.header.frame_id != "map":
            result.error_code, result.error_msg = NavigateToPose.Result.TF_ERROR, f"no frame {goal.header.frame_id}"
            handle.abort()
            return result
        began = time.monotonic()
        while self.mode != "claim" and not self.step(goal.pose):
            if handle.is_cancel_requested:
                self.drive()
                handle.canceled()
                return result
            if self.mode == "give_up" and time.monotonic() - began > 1.0:
                self.drive()
                result.error_code, result.error_msg = NO_VALID_PATH, "a wall is in the way"
                handle.abort()
                return result
            feedback = NavigateToPose.Feedback()
            feedback.current_pose.header.frame_id, feedback.current_pose.pose = "map", self.pose
            handle.publish_feedback(feedback)
            time.sleep(PERIOD_S)
        handle.succeed()
        return result


def main(mode):
    rclpy.init()
    node = rclpy.create_node("bt_navigator")
    nav2 = Nav2(node, mode)
    executor = MultiThreadedExecutor(4)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    # Who answers before it has discovered whom is not heard.
    while nav2.pose is None or not node.count_clients("/mobi/navigate_to_pose/_action/send_goal"):
        time.sleep(0.05)
    print("ready", flush=True)
    sys.stdin.read()
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.try_shutdown()


main(sys.argv[1])
