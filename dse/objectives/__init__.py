"""Figures of merit of a design, all minimised: callables `(P, L) int64 -> (P,) float64` with a `name` and a `unit`."""

from dse.objectives._early_stop import EarlyStop
from dse.objectives._energy import RelativeEnergy
from dse.objectives._loss import AccuracyLoss
from dse.objectives._simulation import Evaluated, Simulator

__all__ = ["AccuracyLoss", "EarlyStop", "Evaluated", "RelativeEnergy", "Simulator"]
