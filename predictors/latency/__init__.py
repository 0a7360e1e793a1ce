"""Latency of networks on the machine at hand: measured, learned from small ones, predicted."""

from predictors.latency.machine import MachineTimes, learn_machine, time_networks
from predictors.latency.measuring import CLOCKS, SECONDS, Latency, measure, profile
from predictors.latency.networks import SmallNetwork, build_small, small_networks
from predictors.latency.predictor import LatencyPredictor
from predictors.latency.where import where_time_goes

__all__ = [
    "CLOCKS",
    "SECONDS",
    "Latency",
    "LatencyPredictor",
    "MachineTimes",
    "SmallNetwork",
    "build_small",
    "learn_machine",
    "measure",
    "profile",
    "small_networks",
    "time_networks",
    "where_time_goes",
]
