"""A client that is killed: sends one goal of execute_skill, says `accepted`, and never asks for its result.

usage: victim.py SKILL ARGS_JSON
"""

import sys
import time

import rclpy
from rclpy.action import ActionClient
from sinew_msgs.action import ExecuteSkill

rclpy.init()
node = rclpy.create_node("victim")
client = ActionClient(node, ExecuteSkill, "/mobi/execute_skill")
if not client.wait_for_server(timeout_sec=30):
    sys.exit("no server")
goal = ExecuteSkill.Goal(skill_id=sys.argv[1], args_json=sys.argv[2], speed_scale=1.0, correlation_id="victim")
sent = client.send_goal_async(goal)
rclpy.spin_until_future_complete(node, sent)
print("accepted" if sent.result().accepted else "rejected", flush=True)
while True:
    time.sleep(1)
