"""Lists of devices as they come out of other programs, and the ones that are none."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import importing
from devices.importing import FileRefused, Report
from devices.models import App, Device
from tests.devices.conftest import HOST, uri
from tests.devices.test_api import ADDRESS_TRICKS

HEADER = "service,address,installation,language,tags,attribute.town\n"


@pytest.fixture(autouse=True)
def _emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.EMULATOR", HOST)


def line(number: int, tags: str = "ski;coast") -> str:
    return f"mpns,{uri(f'ok.a-{number}')},phone-{number},de-AT,{tags},Wien\n"


def load(app: App, content: str | bytes, encoding: str = "utf-8") -> Report:
    return importing.load(app, io.BytesIO(content if isinstance(content, bytes) else content.encode(encoding)))


def test_every_row_becomes_a_device_with_all_it_says(app: App) -> None:
    report = load(app, HEADER + line(1) + line(2, ""))
    assert (report.created, report.updated, report.refused) == (2, 0, 0)
    first = Device.objects.get(installation="phone-1")
    assert (first.language, first.attributes) == ("de-AT", {"town": "Wien"})
    assert list(first.tags.values_list("name", flat=True)) == ["coast", "ski"]
    assert first.secret_digest


def test_a_known_device_is_brought_up_to_date_and_a_row_twice_makes_one_device(app: App) -> None:
    load(app, HEADER + line(1))
    report = load(app, HEADER + line(1, "new") + line(2) + line(2, "last"))
    assert (report.created, report.updated) == (1, 2)
    assert Device.objects.count() == 2
    assert list(Device.objects.get(installation="phone-2").tags.values_list("name", flat=True)) == ["last"]


def test_a_known_device_keeps_its_secret_and_comes_back_to_life(app: App) -> None:
    load(app, HEADER + line(1))
    Device.objects.update(secret_digest="its own", status="retired", retired_reason="expired", language="fr")
    assert load(app, "service,address,installation\n" + f"mpns,{uri('ok.b')},phone-1\n").updated == 1
    device = Device.objects.get()
    assert (device.secret_digest, device.status, device.retired_reason) == ("its own", "active", "")
    assert (device.address, device.language, device.tags.count()) == (uri("ok.b"), "fr", 2)


row = st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "x", "y", "z"]), st.sampled_from(["", "s", "s;t"]))


@given(before=st.lists(row, max_size=4), after=st.lists(row, min_size=1, max_size=8))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_ends_as_if_its_rows_had_been_registered_one_by_one(
    app: App, before: list[tuple[str, str, str]], after: list[tuple[str, str, str]]
) -> None:
    ends = []
    for at_once in (True, False):
        Device.objects.all().delete()
        for rows in (before, after):
            chunks = [rows] if at_once else [[one] for one in rows]
            for chunk in chunks:
                lines = [f"mpns,{uri(f'ok.{address}')},{name},{tags}\n" for address, name, tags in chunk]
                load(app, "service,address,installation,tags\n" + "".join(lines))
        found = Device.objects.prefetch_related("tags").order_by("address")
        ends.append([(one.address, one.installation, [tag.name for tag in one.tags.all()]) for one in found])
    assert ends[0] == ends[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_usual_encodings_are_read(app: App, encoding: str) -> None:
    assert load(app, HEADER + line(1).replace("Wien", "Köln पुणे"), encoding).created == 1
    assert Device.objects.get().attributes == {"town": "Köln पुणे"}


def test_quotes_line_ends_and_blank_lines_are_no_problem(app: App) -> None:
    content = 'service,address,model\r\n\r\nmpns,"' + uri("ok.a") + '","Lumia, ""white"""\r\n'
    assert load(app, content).created == 1
    assert Device.objects.get().model == 'Lumia, "white"'


@pytest.mark.threats(36)
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"service,installation\nmpns,x\n", "address is missing"),
        (b"a,b\n1,2\n", "service and address are missing"),
        (b"service,address,address\n", "not twice"),
        (b"service,address,shoe size\n", "shoe size"),
        ((HEADER + line(1) + "mpns,a\0b,x,,,\n").encode(), "Line 3 has a NUL"),
        ((HEADER + line(1)).encode() + b"mpns,\xff\xff,,,,\n", "is not UTF-8"),
        ((HEADER + line(1)).encode("utf-16-le"), "NUL|missing"),
        ((HEADER + line(1) + "x" * 1_000_000).encode(), "longer than any row"),
        ((HEADER + line(1) + '"' + "x\n" * 9_000).encode(), "not CSV"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "UTF-8|NUL|missing"),
    ],
)
def test_a_file_that_is_no_list_changes_nothing(app: App, content: bytes, sentence: str) -> None:
    with pytest.raises(FileRefused, match=sentence):
        load(app, content)
    assert not Device.objects.exists()


def test_bad_rows_are_listed_with_their_line_and_the_others_come_in(app: App) -> None:
    report = load(app, HEADER + line(1) + "mpns,http://evil.example/,x,,,\n" + line(2) + "mpns,too,few\n")
    assert (report.created, report.refused) == (2, 2)
    assert [problem.line for problem in report.problems] == [3, 5]
    assert "address" in report.problems[0].sentence
    assert "cells" in report.problems[1].sentence


@pytest.mark.threats(10)
@pytest.mark.parametrize("address", [trick for trick in ADDRESS_TRICKS if "\r" not in trick])
def test_addresses_are_judged_as_everywhere_else(app: App, address: str) -> None:
    assert load(app, f"service,address\nmpns,{address}\n").refused == 1
    assert not Device.objects.exists()


def test_the_list_of_problems_has_an_end(app: App) -> None:
    report = load(app, HEADER + "mpns,nowhere,x,,,\n" * 500)
    assert (report.refused, len(report.problems)) == (500, importing.LISTED)


def test_a_hundred_thousand_rows_would_come_in_within_a_minute(app: App) -> None:
    count = 5_000
    began = time.monotonic()
    report = load(app, HEADER + "".join(line(number) for number in range(count)))
    assert report.created == count
    assert time.monotonic() - began < 60 * count / 100_000 * 4  # shared machines: four times as long is still fine


def test_the_command_tells_what_became_of_every_row(app: App, tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(HEADER + line(1) + "mpns,nowhere,x,,,\n")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match="left out"):
        call_command("importdevices", str(file), app="weather", stdout=out, stderr=err)
    assert "1 new, 0 brought up to date, 1 left out." in out.getvalue()
    assert "Line 3: address" in err.getvalue()
    with pytest.raises(CommandError, match="There is no App “other”"):
        call_command("importdevices", str(file), app="other")
    with pytest.raises(CommandError, match="No such file"):
        call_command("importdevices", str(tmp_path / "none.csv"), app="weather")
