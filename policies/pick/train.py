"""Trains `pick`: python3 policies/pick/train.py (from the root of the repository)."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import grasping

OBSERVATION = 15


def make_model():
    return grasping.Chunks(OBSERVATION, [128, 128])


grasping.run(
    "pick", make_model, OBSERVATION, [(150, 0.0), (100, 0.7), (100, 0.9)],
    steps=[4000, 8000, 20000], batch=1024, rate=2e-3,
)
