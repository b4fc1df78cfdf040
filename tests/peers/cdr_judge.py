"""Judges type hashes and CDR bytes with rosbags, which shares no code with Sinew.

Usage: cdr_judge.py INTERFACE_PACKAGE_DIR...
Reads one JSON request per line and answers each with one line:
  {"op": "hash", "type": T}                -> {"hash": "RIHS01_..."}
  {"op": "check", "type": T, "cdr": hex}   -> {"cdr": hex of the re-encoded message, "value": its fields}
  {"op": "random", "type": T, "seed": n}   -> {"cdr": hex of a random message, "value": its fields}
Types are named as in ROS 2: pkg/msg/X, pkg/srv/X_Request, pkg/action/X_SendGoal, and so on.
"""

import json
import math
import random
import sys
from pathlib import Path

import numpy
from rosbags.typesys import Stores, get_typestore, get_types_from_msg
from rosbags.interfaces import Nodetype

STORE = get_typestore(Stores.ROS2_KILTED)


def register(name, definition):
    """Adds one type; rosbags puts every parsed name under /msg/, ROS 2 does not."""
    package, kind, _ = name.split("/")
    parsed = get_types_from_msg(definition, name)
    consts, fields = next(iter(parsed.values()))
    STORE.register({name: (consts, [(field, rename(node, package)) for field, node in fields])})


def rename(node, package):
    """References to parts of services and actions, wherever they are nested."""
    kind, detail = node
    if kind == Nodetype.NAME:
        for part in ("srv", "action"):
            detail = detail.replace(f"/{part}/msg/", f"/{part}/")
        # A bare name in a .srv or .action file means a message of the same package.
        if detail not in STORE.fielddefs and not any(detail.endswith(s) for s in SUFFIXES):
            detail = f"{package}/msg/{detail.split('/')[-1]}"
        return (kind, detail)
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        inner, count = detail
        return (kind, (rename(inner, package), count))
    return node


SUFFIXES = ("_Request", "_Response", "_Event", "_Goal", "_Result", "_Feedback")


def register_service(name, request, response):
    register(f"{name}_Request", request)
    register(f"{name}_Response", response)
    register(
        f"{name}_Event",
        "service_msgs/msg/ServiceEventInfo info\n"
        f"{name}_Request[<=1] request\n{name}_Response[<=1] response\n",
    )
    register(
        name,
        f"{name}_Request request_message\n{name}_Response response_message\n{name}_Event event_message\n",
    )


def register_action(name, goal, result, feedback):
    uuid = "unique_identifier_msgs/msg/UUID goal_id\n"
    register(f"{name}_Goal", goal)
    register(f"{name}_Result", result)
    register(f"{name}_Feedback", feedback)
    register_service(
        f"{name}_SendGoal",
        f"{uuid}{name}_Goal goal\n",
        "bool accepted\nbuiltin_interfaces/msg/Time stamp\n",
    )
    register_service(f"{name}_GetResult", uuid, f"int8 status\n{name}_Result result\n")
    register(f"{name}_FeedbackMessage", f"{uuid}{name}_Feedback feedback\n")


def sections(path):
    return [part + "\n" for part in path.read_text().split("---\n")]


def load_standard():
    # rosbags hashes a .msg file's char as IDL's char; ROS 2 says uint8, and this type is a part of
    # the hash of every service.
    consts, fields = STORE.fielddefs["service_msgs/msg/ServiceEventInfo"]
    uint8s = (Nodetype.ARRAY, ((Nodetype.BASE, ("uint8", 0)), 16))
    fields = [(name, uint8s if name == "client_gid" else node) for name, node in fields]
    STORE.fielddefs["service_msgs/msg/ServiceEventInfo"] = (consts, fields)
    register_service("std_srvs/srv/Trigger", "", "bool success\nstring message\n")
    register_service(
        "action_msgs/srv/CancelGoal",
        "action_msgs/msg/GoalInfo goal_info\n",
        "int8 return_code\naction_msgs/msg/GoalInfo[] goals_canceling\n",
    )


def load(package_dir):
    package = package_dir.name
    for path in sorted(package_dir.glob("msg/*.msg")):
        register(f"{package}/msg/{path.stem}", path.read_text())
    for path in sorted(package_dir.glob("srv/*.srv")):
        register_service(f"{package}/srv/{path.stem}", *sections(path))
    for path in sorted(package_dir.glob("action/*.action")):
        register_action(f"{package}/action/{path.stem}", *sections(path))


BYTES = ("octet", "byte")
LISTS = (Nodetype.ARRAY, Nodetype.SEQUENCE)


def plain(value):
    """A message as JSON; what JSON cannot say (NaN, infinity) is null."""
    if hasattr(value, "__msgtype__"):
        fields = STORE.fielddefs[value.__msgtype__][1]
        values = {name: plain(getattr(value, name)) for name, _ in fields}
        # rosbags reads a byte as signed; ROS 2 says that it is not.
        bytes_ = [name for name, (kind, detail) in fields if kind == Nodetype.BASE and detail[0] in BYTES]
        lists = [name for name, (kind, detail) in fields if kind in LISTS and detail[0][1][0] in BYTES]
        unsigned = {name: values[name] & 0xFF for name in bytes_}
        return values | unsigned | {name: [item & 0xFF for item in values[name]] for name in lists}
    if isinstance(value, numpy.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def random_base(rng, kind):
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "string":
        return "".join(rng.choice("aZ09_ /\u00e9\u732b\U0001f916") for _ in range(rng.randrange(12)))
    if kind in ("float32", "float64"):
        return rng.choice([math.nan, math.inf, -math.inf] + 20 * [rng.randrange(-(2**20), 2**20) / 8])
    bits = 8 if kind in ("octet", "char", "byte") else int(kind.lstrip("uint"))
    low = -(2 ** (bits - 1)) if kind.startswith("int") or kind in BYTES else 0
    return rng.randrange(low, low + 2**bits)


def random_node(rng, node, depth):
    """`depth` counts the sequences that it is in: deeper down they are short, or some messages would have no end."""
    kind, detail = node
    if kind == Nodetype.NAME:
        return random_message(rng, detail, depth)
    if kind == Nodetype.BASE:
        return random_base(rng, detail[0])
    inner, count = detail
    length = count if kind == Nodetype.ARRAY else rng.randrange(5 if depth < 2 else 2)
    depth += kind != Nodetype.ARRAY
    items = [random_node(rng, inner, depth) for _ in range(length)]
    if inner[0] == Nodetype.BASE and inner[1][0] != "string":
        return numpy.array(items, dtype=getattr(numpy, inner[1][0].replace("bool", "bool_"), numpy.uint8))
    return items


def random_message(rng, name, depth=0):
    fields = STORE.fielddefs[name][1]
    return STORE.types[name](**{field: random_node(rng, node, depth) for field, node in fields})


def answer(request):
    name = request["type"]
    if request["op"] == "hash":
        return {"hash": STORE.hash_rihs01(name)}
    if request["op"] == "check":
        message = STORE.deserialize_cdr(bytes.fromhex(request["cdr"]), name)
    else:
        message = random_message(random.Random(request["seed"]), name)
    return {"cdr": bytes(STORE.serialize_cdr(message, name)).hex(), "value": plain(message)}


def main():
    load_standard()
    for package_dir in sys.argv[1:]:
        load(Path(package_dir))
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


main()
