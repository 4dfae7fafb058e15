"""What is looked after every two seconds by the supervisor, and by ``manage.py tick``."""

from __future__ import annotations

from campaigns.pipeline import claiming, sending, tasks
from campaigns.upkeep import pruning
from devices.common import limits


def tick() -> None:
    """Look after what nobody was told about, and ring when something is due. Harmless at any time, from anywhere."""
    sending.sweep()
    if claiming.due_work():
        tasks.ring()
    else:
        pruning.prune_if_wanted()
        pruning.forget_orphans()
        tasks.forget_workers()
        limits.forget_ended()
