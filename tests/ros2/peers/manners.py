"""Asks Sinew's nodes what ROS 2's tools ask of every node: parameters, life cycle, log.

usage: manners.py SINEW, the program and what is to stand before it. Prints one PASS or FAIL line per check; the exit code is 1 if
any failed.
"""

import sys
import time

from lifecycle_msgs.msg import State, Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from rcl_interfaces.msg import Log, ParameterEvent, ParameterType
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import (
    DurabilityPolicy,
    ReliabilityPolicy,
    qos_profile_parameter_events,
    qos_profile_rosout_default,
)
from sinew_msgs.msg import SafetyState

from support import Operator, Spun, System, answer, check, failures, wait

NODES = ("hardware", "skills", "connector", "planner", "teleop")
LIFESPAN_S = 10.0
# A service is found before its server has found the client: what is asked in between is not heard an answer to.
SETTLED_S = 2.0


def asked(call):
    """The answer to what changes nothing: asked again where the answer was not heard."""
    for _ in range(5):
        future = call()
        if wait(future.done, 10.0):
            return future.result()
    raise TimeoutError("no answer to five requests")


class Judge(Operator):
    def __init__(self, node):
        super().__init__(node, "/mobi")
        self.parameters = {name: AsyncParameterClient(node, f"/mobi/{name}") for name in NODES}
        self.events, self.transitions, self.lines = [], [], []
        self.clients = {}
        node.create_subscription(
            ParameterEvent, "/parameter_events", self.events.append, qos_profile_parameter_events
        )
        node.create_subscription(TransitionEvent, "/mobi/hardware/transition_event", self.transitions.append, 10)
        node.create_subscription(Log, "/rosout", self.lines.append, qos_profile_rosout_default)

    def ask(self, name, service, request, kind):
        full = f"/mobi/{name}/{service}"
        if full not in self.clients:
            self.clients[full] = self.node.create_client(kind, full)
            if not self.clients[full].wait_for_service(timeout_sec=60):
                raise TimeoutError(f"no service {full}")
            time.sleep(SETTLED_S)
        client = self.clients[full]
        if service == "change_state":
            return answer(client.call_async(request))
        return asked(lambda: client.call_async(request))

    def state(self, name):
        return self.ask(name, "get_state", GetState.Request(), GetState).current_state

    def change(self, name, **transition):
        request = ChangeState.Request(transition=Transition(**transition))
        return self.ask(name, "change_state", request, ChangeState).success

    def available(self, name, service="get_available_transitions"):
        request = GetAvailableTransitions.Request()
        found = self.ask(name, service, request, GetAvailableTransitions).available_transitions
        return [(one.transition.label, one.start_state.label, one.goal_state.label) for one in found]

    def said(self, name, part):
        return [line for line in self.lines if line.name == f"mobi.{name}" and part in line.msg]


def parameters(judge):
    for name, client in judge.parameters.items():
        check(f"{name}: has the parameter services", client.wait_for_services(timeout_sec=60))
    time.sleep(SETTLED_S)
    for name, client in judge.parameters.items():
        listed = asked(client.list_parameters).result.names
        described = {one.name: one for one in asked(lambda: client.describe_parameters(listed)).descriptors}
        told = all(described[one].description and described[one].type for one in listed)
        check(f"{name}: each parameter is described", listed and told, described)
        fixed = [one for one in listed if not described[one].read_only]
        check(f"{name}: all are read-only but what is dynamic", fixed == ["planner"] * (name == "planner"), fixed)

    hardware, planner = judge.parameters["hardware"], judge.parameters["planner"]
    names = ["driver", "seed", "cmd_vel", "lock_step_with", "magic"]
    values = asked(lambda: hardware.get_parameters(names)).values
    found = (values[0].string_value, values[1].integer_value, values[2].bool_value, list(values[3].string_array_value))
    check("hardware: values, given and default", found == ("sim", 1, True, []), found)
    check("hardware: what is not declared has no type", values[4].type == ParameterType.PARAMETER_NOT_SET, values[4])
    types = list(asked(lambda: hardware.get_parameter_types(names)).types)
    check("hardware: types", types == [4, 2, 1, 9, 0], types)
    listed = asked(lambda: hardware.list_parameters(prefixes=["llm"], depth=1)).result.names
    check("hardware: none under another's prefix", listed == [], listed)

    refused, unknown = asked(lambda: hardware.set_parameters([Parameter("seed", value=2), Parameter("magic", value=2)])).results
    check("hardware: read-only is refused with a reason", not refused.successful and "read-only" in refused.reason, refused)
    check("hardware: unknown is refused by name", not unknown.successful and "magic" in unknown.reason, unknown)
    check("hardware: and keeps its value", asked(lambda: hardware.get_parameters(["seed"])).values[0].integer_value == 1)
    wrong = asked(lambda: planner.set_parameters([Parameter("planner", value="llm")])).results[0]
    check("planner: one that is not configured is refused", not wrong.successful and "llm" in wrong.reason, wrong)
    right = asked(lambda: planner.set_parameters_atomically([Parameter("planner", value="symbolic")])).result
    check("planner: a dynamic parameter is set", right.successful, right)

    def changed():
        return [e for e in judge.events if e.node == "/mobi/planner" and [p.name for p in e.changed_parameters] == ["planner"]]

    check("planner: parameter_events tells it", wait(changed, 10.0), judge.events)


def life_cycle(judge):
    for name in NODES:
        state = judge.state(name)
        check(f"{name}: is active", (state.id, state.label) == (State.PRIMARY_STATE_ACTIVE, "active"), state)
    only = judge.available("skills")
    check("skills: only its end is offered", only == [("shutdown", "active", "shuttingdown")], only)
    check("skills: all else is refused", not judge.change("skills", label="deactivate"))
    check("skills: and it stays active", judge.state("skills").label == "active")

    both = judge.available("hardware")
    offered = [("deactivate", "active", "deactivating"), ("shutdown", "active", "shuttingdown")]
    check("hardware: what is offered", both == offered, both)
    graph = judge.available("hardware", "get_transition_graph")
    check("hardware: the graph has more", set(offered) < set(graph), graph)
    states = judge.ask("hardware", "get_available_states", GetAvailableStates.Request(), GetAvailableStates)
    labels = {state.label for state in states.available_states}
    check("hardware: its states", {"inactive", "active", "finalized"} <= labels and "unconfigured" not in labels, labels)

    judge.transitions.clear()
    check("hardware: is deactivated, by number", judge.change("hardware", id=Transition.TRANSITION_DEACTIVATE))
    check("hardware: and inactive", judge.state("hardware").label == "inactive")
    check("hardware: which is DISARMED", wait(lambda: judge.is_in(SafetyState.MODE_DISARMED), 5.0), judge.safety())
    check("hardware: is activated, by name", judge.change("hardware", label="activate"))
    check("hardware: which is READY", wait(lambda: judge.is_in(SafetyState.MODE_READY), 5.0), judge.safety())

    def told():
        return [event.transition.id for event in judge.transitions] == [4, 40, 3, 30]

    check("hardware: transition_event tells each step", wait(told, 10.0), judge.transitions)


def log(judge):
    lines = wait(lambda: judge.said("hardware", "deactivate was asked for"), 10.0)
    check("rosout: a line of the hardware node", lines, judge.lines)
    if lines:
        line = lines[0]
        age = time.time() - line.stamp.sec - line.stamp.nanosec * 1e-9
        check("rosout: stamped with the wall clock", 0.0 <= age < 120.0, age)
        check("rosout: its level", line.level == Log.INFO, line.level)
        check("rosout: where it was said", line.file.endswith(".rs") and line.line and line.function, line)
    check("rosout: a line of the planner", wait(lambda: judge.said("planner", "planner"), 10.0), judge.lines)
    check("rosout: warnings, too", any(line.level == Log.WARN for line in judge.said("skills", "no such transition")))
    publishers = {one.node_name: one.qos_profile for one in judge.node.get_publishers_info_by_topic("/rosout")}
    check("rosout: of each node", set(NODES) <= set(publishers), publishers)
    qos = publishers["hardware"]
    latched = (qos.reliability, qos.durability) == (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
    check("rosout: quality of service as rcl's", latched and qos.lifespan == Duration(seconds=LIFESPAN_S), qos)
    check("rosout: a new line", not judge.change("connector", label="activate"))
    late = []
    subscription = judge.node.create_subscription(Log, "/rosout", late.append, qos_profile_rosout_default)

    def heard():
        return [line for line in late if line.name == "mobi.connector" and "no such transition" in line.msg]

    check("rosout: a late joiner gets it", wait(heard, 10.0), late)
    judge.node.destroy_subscription(subscription)
    time.sleep(LIFESPAN_S + 1.0)
    late.clear()
    check("rosout: another line", not judge.change("planner", label="activate"))
    judge.node.create_subscription(Log, "/rosout", late.append, qos_profile_rosout_default)
    another = wait(lambda: [line for line in late if line.name == "mobi.planner"], 10.0)
    check("rosout: a later joiner gets that one", another, late)
    check("rosout: and not what is older than its lifespan", not heard(), late)


def ends(judge, system):
    check("planner: shuts down", judge.change("planner", label="shutdown"))
    check("planner: its process ends", wait(lambda: system.ended() == ["planner"], 20.0), system.ended())
    check("planner: in order", system.processes["planner"].returncode == 0, system.processes["planner"].returncode)
    check("hardware: shuts down", judge.change("hardware", label="shutdown"))
    check("hardware: its process ends", wait(lambda: "hardware" in system.ended(), 20.0), system.ended())
    check("hardware: in order", system.processes["hardware"].returncode == 0, system.processes["hardware"].returncode)
    steps = [event.transition.id for event in judge.transitions][-2:]
    check("hardware: its last transitions are told", steps == [7, 50], steps)


def main(program):
    with System(program, "/mobi") as system, Spun("judge") as node:
        judge = Judge(node)
        system.start_table()
        try:
            ready = wait(lambda: judge.is_in(SafetyState.MODE_READY))
            check("the robot gets READY", ready, judge.safety())
            parameters(judge)
            seen = sorted(name for name, where in node.get_node_names_and_namespaces() if where == "/mobi")
            check("each node is there once", seen == sorted(NODES), seen)
            life_cycle(judge)
            log(judge)
            ends(judge, system)
        except TimeoutError as error:
            check("an answer to each request", False, error)
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
