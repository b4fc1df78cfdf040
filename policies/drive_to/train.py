"""Trains `drive_to`: python3 policies/drive_to/train.py (from the root of the repository)."""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import training

OBSERVATION, ACTION = 8, 2


def error(observation):
    """Position (coarse and fine), heading and own velocity: all zero at rest at the goal."""
    ones = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    return observation - ones


def make_model():
    return training.ErrorFeedback(OBSERVATION, error, ACTION, [128, 128])


def weight(observation):
    """Errors near the goal count more: there they decide how well the robot comes to rest."""
    return 1.0 / (error(observation).square().sum(dim=1) + 0.05)


training.run("drive_to", make_model, weight, [(250, 0.0), (150, 0.6), (150, 0.8)], steps=12000)
