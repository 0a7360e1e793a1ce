"""Wirings without their dead nodes, and how a fixed wiring is multiplied with."""
