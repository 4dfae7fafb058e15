"""A rule picks exactly the devices it says, says so in words, and refuses nonsense with a sentence."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import segments
from devices.common.clock import now
from devices.common.secrets import digest
from devices.models import App, Device, Tag
from devices.segments import RuleInvalid
from devices.versions import rank

numbers = count(1)


@pytest.fixture
def app(db: None) -> App:
    return App.objects.create(name="Weather", slug="weather")


def device(app: App, *tags: str, **more: Any) -> Device:
    number = next(numbers)
    versions = {f"{name}_rank": rank(more[f"{name}_version"]) for name in ("os", "app") if f"{name}_version" in more}
    made = Device.objects.create(
        app=app, address=f"http://x/{number}", address_digest=digest(str(number)), seen_at=now(), **versions, **more
    )
    made.tags.set([Tag.objects.get_or_create(app=app, name=name)[0] for name in tags])
    return made


def one(field: str, op: str, value: str) -> dict[str, Any]:
    return {"match": "all", "conditions": [{"field": field, "op": op, "value": value}]}


def picked(app: App, rule: dict[str, Any]) -> set[int]:
    return set(segments.devices(app, rule).values_list("pk", flat=True))


def test_an_empty_rule_picks_every_active_device_of_the_app_and_no_other(app: App) -> None:
    mine = device(app)
    device(app, status=Device.Status.RETIRED)
    device(App.objects.create(name="Other", slug="other"))
    assert picked(app, {}) == {mine.pk} == picked(app, {"match": "none", "conditions": []})


def test_a_language_includes_its_regions(app: App) -> None:
    german, austrian, _ = device(app, language="de"), device(app, language="de-AT"), device(app, language="den")
    assert picked(app, one("language", "is", "de")) == {german.pk, austrian.pk}
    assert picked(app, one("language", "is", "de-AT")) == {austrian.pk}


def test_versions_are_compared_as_numbers(app: App) -> None:
    old, new, _ = device(app, os_version="7.10.8858"), device(app, os_version="8.0.10517"), device(app)
    assert picked(app, one("os_version", "at_least", "8.0.9903")) == {new.pk}
    assert picked(app, one("os_version", "below", "7.11")) == {old.pk}


def test_a_device_with_two_matching_tags_is_picked_once(app: App) -> None:
    both, none = device(app, "ski", "coast"), device(app)
    rule = {
        "match": "any",
        "conditions": [*one("tag", "is", "ski")["conditions"], *one("tag", "is", "coast")["conditions"]],
    }
    assert list(segments.devices(app, rule).values_list("pk", flat=True)) == [both.pk]
    assert picked(app, {**rule, "match": "none"}) == {none.pk}


def test_rules_nest_one_level(app: App) -> None:
    wanted = device(app, "ski", language="de")
    device(app, "ski", language="fr")
    inner = {
        "match": "any",
        "conditions": one("language", "is", "de")["conditions"] + one("language", "is", "it")["conditions"],
    }
    rule = {"match": "all", "conditions": [*one("tag", "is", "ski")["conditions"], inner]}
    assert picked(app, rule) == {wanted.pk}
    assert segments.in_words(rule) == "tag is “ski” and (language is “de” or language is “it”)"
    with pytest.raises(RuleInvalid, match="one level"):
        segments.parse({"match": "all", "conditions": [{"match": "all", "conditions": [inner]}]})


@pytest.mark.threats(34)
@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"match": "some", "conditions": []}, "all, any or none"),
        ({"match": "all", "conditions": "x"}, "list"),
        ({"match": "all", "conditions": [3]}, "field"),
        (one("app__name", "is", "x"), "There is no field"),
        (one("tag", "regex", "x"), "cannot be compared"),
        (one("tag", "is", " "), "compared with"),
        (one("tag", "is", "x" * 1_000_000), "at most 200"),
        (one("os_version", "at_least", "eight"), "not a version"),
        (one("service", "is", "carrier-pigeon"), "There is no push service"),
        ({"match": "all", "conditions": one("tag", "is", "x")["conditions"] * 31}, "at most 30"),
    ],
)
def test_nonsense_gets_a_sentence(rule: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RuleInvalid, match=sentence):
        segments.parse(rule)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda deeper: st.lists(deeper) | st.dictionaries(st.text(), deeper),
)


@pytest.mark.threats(34)
@given(match=anything, field=anything, op=anything, value=anything)
def test_whatever_comes_it_is_parsed_or_refused(match: Any, field: Any, op: Any, value: Any) -> None:
    with suppress(RuleInvalid):
        segments.parse({"match": match, "conditions": [{"field": field, "op": op, "value": value}]})
