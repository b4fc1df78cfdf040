"""Trains `pick_camera`: python3 policies/pick_camera/train.py (from the root of the repository)."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import grasping

OBSERVATION = 2


def make_model():
    return grasping.SeeingChunks(OBSERVATION)


grasping.run(
    "pick_camera", make_model, OBSERVATION, [(250, 0.0)],
    steps=[1500], batch=128, rate=1e-3, sees=True,
)
