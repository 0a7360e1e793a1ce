"""Families of networks that a hypernetwork is trained on, and what it needs to know of each."""

from ghn.families.blueprint import Blueprint, Net, build_blueprint

__all__ = ["Blueprint", "Net", "build_blueprint"]
