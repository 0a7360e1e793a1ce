"""Trainings of many relational networks: tasks, jobs, tables of results."""
