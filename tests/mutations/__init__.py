"""Deliberate mistakes: for every fault that docs/reliability.md claims, a way to break what meets it.

They are applied by tests/mutants.py, each to a copy of its own, and each must be found by its tests.
"""

from __future__ import annotations

from tests.mutations import browsers, database, people, providers, pushing, rig, settling
from tests.mutations.table import Mutation

ALL: tuple[Mutation, ...] = (
    *(*pushing.MISTAKES, *settling.MISTAKES, *database.MISTAKES),
    *(*people.MISTAKES, *browsers.MISTAKES, *providers.MISTAKES, *rig.MISTAKES),
)
