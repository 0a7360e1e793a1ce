"""Trainings of wirings: configurations, runs, results, figures."""
