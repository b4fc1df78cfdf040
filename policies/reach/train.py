"""Trains `reach`: python3 policies/reach/train.py (from the root of the repository)."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import training

OBSERVATION, ERROR, ACTION = 12, slice(6, 12), 6


def make_model():
    return training.ErrorFeedback(OBSERVATION, lambda o: o[:, ERROR], ACTION, [128, 128])


def weight(observation):
    """Relative error counts: the last millimetres matter as much as the first decimetre."""
    return 1.0 / (observation[:, ERROR].square().sum(dim=1) + 0.01)


training.run("reach", make_model, weight, [(300, 0.0), (200, 0.6), (200, 0.8)], steps=9000)
