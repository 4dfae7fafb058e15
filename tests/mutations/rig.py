"""Mistakes that a whole installation must show: who restarts whom, and what the rig's own reckoning finds."""

from __future__ import annotations

from tests.mutations.table import Mutation

KILLED = ("tests/rig/test_chaos.py::test_every_role_is_killed_and_everything_adds_up",)
OUTAGES = "tests/rig/test_outages.py"
LOST_MACHINE = (f"{OUTAGES}::test_a_machine_is_lost_with_its_journal_and_the_other_takes_over",)
CHAOS = ("tests.rig.chaos", "--kills", "18", "--devices", "3000", "--machines", "2", "--seed", "3")
# Nothing but senders that wake when another machine has had their batches for long.
FROZEN = (*CHAOS[:2], "4", *CHAOS[3:], "--roles", "freeze", "--long-freezes", "1")
RUNWORKER = "campaigns/management/commands/runworker.py"

MISTAKES = (
    Mutation(
        (1, 2, 13),
        "what a dead sender had not started is done",
        "campaigns/pipeline/recording.py",
        '"status": Batch.Status.QUEUED,\n        "ids"',
        '"status": Batch.Status.DONE,\n        "ids"',
        KILLED,
        seconds=400.0,
    ),
    Mutation(
        (3, 29),
        "what a dead sender had recorded is pending again",
        "campaigns/pipeline/settling.py",
        "pending = set(claim.pending) - rows",
        "pending = set(claim.pending)",
        KILLED,
        seconds=400.0,
    ),
    Mutation(
        (4, 8),
        "a task that nobody confirmed keeps the doorbell silent",
        "campaigns/pipeline/tasks.py",
        "waiting = OrmQ.objects.filter(lock__lte=clock.now()).count()",
        "waiting = OrmQ.objects.count()",
        KILLED,
        seconds=400.0,
    ),
    Mutation(
        (5,),
        "workers that stand still are left alone",
        RUNWORKER,
        "elif time.monotonic() - moved > STUCK:",
        "elif time.monotonic() - moved > 100 * STUCK:",
        ("tests/rig/test_watchdog.py::test_workers_that_stand_still_are_restarted_and_the_work_goes_on",),
    ),
    Mutation(
        (6, 7),
        "a cluster that has ended is left as it is",
        RUNWORKER,
        "            if trouble:\n",
        "            if trouble and cluster.lives:\n",
        ("tests/rig/test_watchdog.py::test_a_cluster_without_its_head_is_ended_and_another_started",),
    ),
    Mutation(
        (14, 36),
        "a sender that froze for a moment has lost its batch for good",
        "campaigns/pipeline/settling.py",
        "if now < lease_until + PATIENCE and journal.owner_lives(folder, name):",
        "if now < lease_until:",
        (
            "tests/campaigns/pipeline/test_settling.py::test_a_living_sender_of_this_machine_keeps_its_batch_beyond_the_lease",
        ),
    ),
    Mutation(
        (12,),
        "what was released is written down too late",
        "campaigns/pipeline/claiming.py",
        "batch.released = first_release(batch.claims, len(batch.ids) // 8, len(batch.doubtful) // 8)",
        "batch.released = 0",
        LOST_MACHINE,
        postgres=True,
    ),
    Mutation(
        (12,),
        "what was released is written down a window too late",
        "campaigns/pipeline/recording.py",
        '{"released": window.released,',
        '{"released": max(0, window.released - 256),',
        LOST_MACHINE,
        postgres=True,
    ),
    Mutation(
        (15,),
        "an import writes row by row",
        "devices/importing.py",
        "created, updated, others = _write_plain(app, rows)",
        "created, updated, others = 0, 0, rows",
        (f"{OUTAGES}::test_an_import_that_is_killed_leaves_whole_chunks_and_may_be_made_again",),
    ),
    Mutation(
        (13, 38),
        "a deployment kills the senders",
        RUNWORKER,
        "        cluster.stop()\n        with",
        "        cluster.kill()\n        with",
        (f"{OUTAGES}::test_a_deployment_in_the_middle_costs_nobody_anything",),
    ),
    Mutation(
        (30, 34),
        "a database that does not answer is a page of error 500",
        "pushadmin/views.py",
        "status = 503 if away else 500",
        "status = 500",
        (f"{OUTAGES}::test_no_connection_left_is_an_answer_and_not_a_crash",),
        postgres=True,
    ),
    Mutation(
        (31,),
        "a worker that is started while the database is away ends",
        RUNWORKER,
        "hold_if_restored()\n            except DatabaseError",
        "hold_if_restored()\n            except ZeroDivisionError",
        (f"{OUTAGES}::test_a_database_that_is_away_is_waited_for_and_said",),
        postgres=True,
    ),
    Mutation(
        (),
        "the watchdog knows of no batch that was done between two looks",
        "campaigns/pipeline/watchdog.py",
        " or Worker.objects.filter(recorded_at__gt=since).exists()",
        "",
        ("tests/rig/test_watchdog.py::test_a_steady_trickle_of_tiny_batches_and_a_paced_campaign_restart_nobody",),
    ),
    Mutation(
        (2,),
        "rig: the journal has no line of what leaves",
        "campaigns/pipeline/journal.py",
        'self._write("".join([f"S {device}\\n" for device in devices]))',
        "pass",
        command=CHAOS,
        seconds=400.0,
    ),
    Mutation(
        (2, 12),
        "rig: whom a dead sender had moved to a later batch goes back into the old one",
        "campaigns/pipeline/settling.py",
        " - set(unpack(row.moved))",
        "",
        command=CHAOS,
        seconds=400.0,
    ),
    Mutation(
        (12, 14),
        "rig: what was released is written down too late",
        "campaigns/pipeline/recording.py",
        '{"released": window.released,',
        '{"released": max(0, window.released - 256),',
        command=FROZEN,
        seconds=400.0,
    ),
    Mutation(
        (14,),
        "rig: a window is recorded without its fence",
        "campaigns/pipeline/recording.py",
        'mine = {"id": claim.batch, "claim_token": claim.token, "status": Batch.Status.SENDING.value}',
        'mine = {"id": claim.batch}',
        command=FROZEN,
        seconds=400.0,
    ),
)
