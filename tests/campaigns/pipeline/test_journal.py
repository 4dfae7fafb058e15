"""The sender's file beside the database: what a dead sender leaves, and who may take it."""

from __future__ import annotations

import os
import resource
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.pipeline import journal
from campaigns.pipeline.journal import Journal, JournalStuck, answer_of, spelled
from campaigns.pipeline.values import Answered
from devices.push.base import Outcome, Verdict

AT = datetime(2026, 5, 4, 12, 0, 0, 250_000, tzinfo=UTC)
TOKEN = uuid.UUID(int=7)
words = st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple)


def answered(device: int, outcome: Outcome = Outcome.ACCEPTED) -> Answered:
    return Answered(device, Verdict(outcome), 200, 12, AT)


def dead(sender: Journal) -> None:
    """End a sender as a kill does: the file stays, the lock goes."""
    sender.abandon()


@given(reason=st.text(), words=words, seconds=st.none() | st.integers(1, 3600), unreached=st.booleans())
def test_an_answer_comes_back_from_its_line_as_it_was(
    reason: str, words: tuple[tuple[str, str], ...], seconds: int | None, unreached: bool
) -> None:
    pause = timedelta(seconds=seconds) if seconds else None
    answer = Answered(5, Verdict(Outcome.RETRY, reason, words, True, pause, pause, "Connected"), 412, 9, AT, unreached)
    line = spelled(answer)
    assert line.count("\n") == 1
    assert answer_of(5, line.split(" ", 2)[2]) == answer


def test_the_new_owner_learns_what_was_answered_and_what_is_in_doubt(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    sender.sending([10, 11, 12])
    sender.answered([answered(11)])
    dead(sender)
    ((path, (claimed,)),) = list(journal.adopt(tmp_path))
    assert (claimed.batch, claimed.token) == (3, TOKEN)
    assert claimed.doubtful == {10, 12}
    assert claimed.answered == {11: answered(11)}
    assert not path.exists()


def test_nobody_adopts_the_journal_of_the_living(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    assert list(journal.adopt(tmp_path)) == []
    assert journal.owner_lives(tmp_path, sender.name)
    dead(sender)
    assert not journal.owner_lives(tmp_path, sender.name)
    assert not journal.owner_lives(tmp_path, "another-machine-1-2")


def test_a_torn_last_line_is_ignored_and_its_push_stays_in_doubt(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    sender.sending([10])
    with sender.path.open("a") as file:
        file.write(spelled(answered(10))[:-4])
    (claimed,) = journal.read(sender.path)
    assert claimed.doubtful == {10}
    sender.close()


def test_a_cleared_journal_tells_nothing_and_a_closed_one_is_gone(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    sender.sending([10])
    sender.clear()
    assert journal.read(sender.path) == []
    sender.claim(4, TOKEN)
    assert [claimed.batch for claimed in journal.read(sender.path)] == [4]
    sender.close()
    assert list(tmp_path.iterdir()) == []


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Let every file of this process take no byte beyond ``count``: writes come short, then fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.faults(48)
@pytest.mark.parametrize("room", [0, 1, 3, 7])  # bytes left: nothing fits, or a part of a line
def test_a_journal_that_missed_a_line_tells_nothing_at_all(tmp_path: Path, room: int) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    sender.sending([10, 11])
    with room_for(sender.path.stat().st_size + room):
        sender.sending([12, 13])  # sending goes on
        sender.answered([answered(10)])
    sender.sending([14])  # there is room again, but what came between is not known
    assert journal.read(sender.path) == []
    sender.clear()
    sender.claim(4, TOKEN)
    sender.sending([20])
    (claimed,) = journal.read(sender.path)
    assert (claimed.batch, claimed.doubtful) == (4, {20})
    sender.close()


@pytest.mark.faults(48)
def test_without_room_for_its_file_a_sender_works_without_one(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("no folder can be made here")
    sender = Journal(tmp_path / "journal")
    sender.claim(3, TOKEN)
    sender.sending([10])
    sender.clear()
    sender.close()
    assert not sender.held


def test_what_can_neither_be_written_nor_taken_back_does_not_leave(tmp_path: Path) -> None:
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    assert sender._file is not None
    full = os.open("/dev/full", os.O_WRONLY)  # takes no byte, and cannot be emptied
    os.dup2(full, sender._file)
    os.close(full)
    with pytest.raises(JournalStuck):
        sender.sending([10])
    sender.abandon()


def test_a_journal_of_the_version_before_is_read_without_addresses(tmp_path: Path) -> None:
    line = spelled(answered(10))
    old = line.replace(', ""]', "]")
    assert old != line
    (tmp_path / "old.log").write_text(f"C 3 {TOKEN.hex}\nS 10\n{old}")
    (claimed,) = journal.read(tmp_path / "old.log")
    assert claimed.answered == {10: answered(10)}


def test_a_file_that_nobody_can_open_keeps_no_other_from_being_adopted(tmp_path: Path) -> None:
    (tmp_path / f"{journal.HOST}-0.log").mkdir()
    sender = Journal(tmp_path)
    sender.claim(3, TOKEN)
    dead(sender)
    ((_, (claimed,)),) = list(journal.adopt(tmp_path))
    assert claimed.batch == 3
    assert (tmp_path / f"{journal.HOST}-0.aside").exists()


def test_a_journal_whose_maker_died_before_it_had_a_name_does_not_stay(tmp_path: Path) -> None:
    draft, fresh = tmp_path / f".{journal.HOST}-1-aa", tmp_path / f".{journal.HOST}-2-bb"
    for path in (draft, fresh):
        path.touch()
    os.utime(draft, (0, 0))
    assert list(journal.adopt(tmp_path)) == []
    assert (draft.exists(), fresh.exists()) == (False, True)
