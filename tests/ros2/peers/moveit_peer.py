"""MoveIt's move_group, as far as a client can tell: a MoveGroup server that has the robot follow its trajectories.

usage: moveit_peer.py MODE. move: in a straight line through joint space; no_plan: it never finds one. It says `ready` once it
serves, and ends with its input.
"""

import sys
import threading
import time

import rclpy
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import MoveItErrorCodes
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

FULL_SPEED_S = 4.0


class MoveIt:
    def __init__(self, node, mode):
        self.mode = mode
        group = ReentrantCallbackGroup()
        self.arm = ActionClient(node, FollowJointTrajectory, "/mobi/arm/follow_joint_trajectory", callback_group=group)
        self.server = ActionServer(
            node,
            MoveGroup,
            "/mobi/move_action",
            self.execute,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=group,
        )

    def trajectory(self, request):
        joints = request.goal_constraints[0].joint_constraints
        takes = FULL_SPEED_S / request.max_velocity_scaling_factor
        point = JointTrajectoryPoint(
            positions=[joint.position for joint in joints],
            velocities=[0.0] * len(joints),
            time_from_start=Duration(sec=int(takes), nanosec=int(takes % 1.0 * 1e9)),
        )
        return JointTrajectory(joint_names=[joint.joint_name for joint in joints], points=[point])

    def execute(self, handle):
        result = MoveGroup.Result()
        request = handle.request.request
        if request.group_name != "arm":
            result.error_code.val = MoveItErrorCodes.INVALID_GROUP_NAME
        elif self.mode == "no_plan":
            result.error_code.val, result.error_code.message = MoveItErrorCodes.PLANNING_FAILED, "no plan was found"
        if result.error_code.val:
            handle.abort()
            return result
        status = self.follow(handle, FollowJointTrajectory.Goal(trajectory=self.trajectory(request)))
        if status == GoalStatus.STATUS_SUCCEEDED:
            result.error_code.val = MoveItErrorCodes.SUCCESS
            handle.succeed()
        elif handle.is_cancel_requested:
            result.error_code.val = MoveItErrorCodes.PREEMPTED
            handle.canceled()
        else:
            result.error_code.val = MoveItErrorCodes.CONTROL_FAILED
            handle.abort()
        return result

    def follow(self, handle, goal):
        """The end state of the robot's own goal; it is cancelled with the goal of `handle`."""
        sent = self.arm.send_goal_async(goal)
        while not sent.done():
            time.sleep(0.01)
        following = sent.result()
        if not following.accepted:
            return GoalStatus.STATUS_ABORTED
        ended, cancelled = following.get_result_async(), False
        while not ended.done():
            if handle.is_cancel_requested and not cancelled:
                cancelled = True
                following.cancel_goal_async()
            time.sleep(0.01)
        return ended.result().status


def main(mode):
    rclpy.init()
    node = rclpy.create_node("move_group")
    moveit = MoveIt(node, mode)
    executor = MultiThreadedExecutor(4)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    moveit.arm.wait_for_server()
    # Who answers before it has discovered whom is not heard.
    while not node.count_clients("/mobi/move_action/_action/send_goal"):
        time.sleep(0.05)
    print("ready", flush=True)
    sys.stdin.read()
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.try_shutdown()


main(sys.argv[1])
