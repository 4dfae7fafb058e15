"""Messages validate themselves, tell everything that is wrong at once, and survive the way through a form and JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.push.fields import MessageInvalid, Problem, built, form_fields, stored
from devices.push.message import MESSAGES, Message, Raw, Toast
from devices.push.services import find, kinds_offered
from devices.push.services.mpns import Options
from devices.push.tiles import CycleTile, FlipTile, IconicTile, StandardTile, Tile

FULL: dict[str, dict[str, Any]] = {
    "toast": {"title": "Hi", "text": "there", "link": "/Page.xaml?id=1"},
    "standard_tile": {"count": 0, "title": "x", "clear": ["back_content", "back_title"], "tile_id": "/Two.xaml?x=1"},
    "flip_tile": {"wide_back_content": "a\nb", "background_image": "https://img.example.org/a.png", "count": 99},
    "iconic_tile": {"background_color": "#FF2D7D9A", "icon_image": "/Images/i.png", "wide_content_1": "one"},
    "cycle_tile": {f"cycle_image_{number}": f"/Images/{number}.jpg" for number in range(1, 10)},
    "adaptive_tile": {"title": "T", "line_1": "one", "picture": "ms-appx:///a.png", "branding": "logo"},
    "badge": {"count": 3},
    "raw": {"body": '{"a": 1}'},
}


def problems(slug: str, **fields: object) -> list[Problem]:
    """Return what is wrong with a message of these fields."""
    with pytest.raises(MessageInvalid) as invalid:
        Message.from_fields(slug, fields)
    assert all(problem.level == "error" and problem.sentence.endswith(".") for problem in invalid.value.problems)
    return invalid.value.problems


def chosen(**given: object) -> Options:
    """Return the options of one service from what a form posted."""
    options = built(Options, given, find("mpns").label)
    assert isinstance(options, Options)
    assert built(Options, json.loads(json.dumps(stored(options))), "x") == options
    return options


def options_at_fault(**given: object) -> set[str]:
    """Return the names of the options that something is wrong with."""
    with pytest.raises(MessageInvalid) as invalid:
        built(Options, given, find("mpns").label)
    return {problem.field for problem in invalid.value.problems}


def fields_at_fault(slug: str, **fields: object) -> set[str]:
    """Return the names of the fields that something is wrong with."""
    return {problem.field for problem in problems(slug, **fields)}


def test_options_know_whom_they_go_with() -> None:
    assert {one.name: one.only for one in form_fields(Options)} == {
        "page": ("toast",),
        "sound": ("toast",),
        "silent": ("toast",),
        "delay": (),
    }


def test_kinds_are_offered_in_their_order() -> None:
    slugs = [kind.slug for kind in kinds_offered()]
    assert (slugs[0], slugs[-1], set(slugs)) == ("toast", "raw", set(FULL))


@pytest.mark.parametrize("slug", MESSAGES)
def test_a_message_goes_through_json_and_back(slug: str) -> None:
    message = Message.from_fields(slug, FULL[slug])
    assert (message.slug, type(message)) == (slug, MESSAGES[slug])
    assert json.loads(json.dumps(message.to_fields())) == FULL[slug]
    assert Message.from_fields(slug, message.to_fields()) == message


def test_a_message_cannot_be_changed() -> None:
    message = Toast(title="Hi")
    with pytest.raises(dataclasses.FrozenInstanceError):
        message.title = "Ho"  # type: ignore[misc]  # that is the point
    assert not hasattr(message, "__dict__")


def test_what_a_form_posts_becomes_what_it_means() -> None:
    tile = Message.from_fields("flip_tile", {"count": " 7 ", "title": "", "clear": "back_title"})
    assert tile == FlipTile(count=7, clear=frozenset({"back_title"}))
    nothing = {"count": "", "clear": [""]}
    assert Message.from_fields("flip_tile", {"title": "x", **nothing}) == FlipTile(title="x")
    assert chosen(silent="on", delay="900", sound="") == Options(silent=True, delay=900)
    assert chosen(silent=False, delay="") == Options()


def test_everything_wrong_is_told_at_once() -> None:
    wrong = {
        "count": "100",
        "background_image": "javascript:x",
        "nonsense": "1",
        "title": 5,
        "tile_id": "x",
    }
    assert fields_at_fault("standard_tile", **wrong) == set(wrong)


def test_an_unknown_kind_of_message_is_told() -> None:
    assert problems("banner", title="x")[0].sentence == "There is no message called “banner”."


@pytest.mark.parametrize("count", ["100", 100, -1, "-1", "7.5", 7.5, "seven", "٧", "9" * 30, True, [7]])
def test_a_count_is_a_whole_number_up_to_99(count: object) -> None:
    found = problems("iconic_tile", count=count)
    assert [problem.field for problem in found] == ["count"]
    assert "from 0 (hidden) to 99" in found[0].sentence


@pytest.mark.parametrize("count", [0, 1, 99, "0", "099"])
def test_these_counts_are_fine_and_zero_is_something(count: object) -> None:
    message = Message.from_fields("iconic_tile", {"count": count})
    assert isinstance(message, IconicTile)
    assert message.count == int(str(count))
    assert message.to_fields() == {"count": message.count}


@pytest.mark.parametrize("delay", [1, "60", -450, True, "soon", [450]])
def test_the_delay_is_one_of_three(delay: object) -> None:
    assert options_at_fault(delay=delay) == {"delay"}


@pytest.mark.parametrize(
    "colour", ["red", "FF2D7D9A", "#2D7D9A", "#FF2D7D9G", "#FF2D7D9A\n", "#FF2D7D9A;", "＃FF2D7D9A"]
)
def test_a_colour_has_alpha_and_eight_digits(colour: str) -> None:
    assert fields_at_fault("iconic_tile", background_color=colour) == {"background_color"}


@pytest.mark.threats(23)
@pytest.mark.parametrize(
    "image",
    [
        *("x.png", "//evil/x.png", "javascript:alert(1)", "data:image/png;base64,x", "file:///x.png", "ftp://a/x.png"),
        *("http://", "http:///x.png", "https:x.png", "/a b.png", "http://a/x.png\n", "/a\\b.png", "http://[/x.png"),
        *("isostore:/x.png", "http://img.example.org/" + "a" * 240 + ".png"),
    ],
)
def test_an_image_is_on_the_web_or_in_the_app(image: str) -> None:
    assert fields_at_fault("cycle_tile", cycle_image_1=image) == {"cycle_image_1"}


def test_an_image_address_may_have_260_characters() -> None:
    prefix = "http://img.example.org/"
    longest = prefix + "a" * (260 - len(prefix) - 4) + ".png"
    assert CycleTile(cycle_image_1=longest).warnings() == []
    assert fields_at_fault("cycle_tile", cycle_image_1=longest.replace("a.png", "aa.png")) == {"cycle_image_1"}


@pytest.mark.parametrize(
    "image", ["/Images/x.JPG", "isostore:/Shared/ShellContent/x.jpeg", "https://a.example/x.png?v=2"]
)
def test_these_images_are_fine(image: str) -> None:
    assert StandardTile(background_image=image).warnings() == []


def test_another_kind_of_picture_is_warned_about() -> None:
    (warning,) = StandardTile(background_image="/x.webp").warnings()
    assert (warning.field, warning.level) == ("background_image", "warning")


@pytest.mark.threats(23)
def test_the_page_of_a_toast() -> None:
    assert chosen(page="/P.xaml?a=" + "b" * 246).page
    assert options_at_fault(page="/P.xaml?a=" + "b" * 247) == {"page"}
    assert options_at_fault(page="/P.xaml?" + "&" * 60) == {"page"}, "escaped it is too long"
    assert options_at_fault(page="https://evil.example/") == {"page"}
    assert options_at_fault(page="javascript:x") == {"page"}


@pytest.mark.threats(23)
@pytest.mark.parametrize("link", ["/P.xaml?a=1", "?a=1", "https://shop.example.org/a?b=c#d", "http://a.example/"])
def test_what_opens_on_tap_is_a_page_or_on_the_web(link: str) -> None:
    assert Message.from_fields("toast", {"title": "x", "link": link}) == Toast(title="x", link=link)


@pytest.mark.threats(23)
@pytest.mark.parametrize(
    "link",
    [
        "javascript:x",
        "data:text/html,x",
        "P.xaml",
        "https:x",
        "https://",
        "https://a b/",
        "http://[/",
        "/" + "a" * 1024,
    ],
)
def test_nothing_else_opens_on_tap(link: str) -> None:
    assert fields_at_fault("toast", title="x", link=link) == {"link"}


def test_silence_has_no_sound() -> None:
    assert options_at_fault(sound="a.mp3", silent="on") == {"sound"}


@pytest.mark.parametrize(("slug", "field"), [("toast", "title"), ("raw", "body"), ("flip_tile", "title")])
def test_an_empty_message_is_refused(slug: str, field: str) -> None:
    assert fields_at_fault(slug) == {field}
    assert fields_at_fault(slug, **{field: "\x0b\x00"}) == {field}, "nothing is left of it"


def test_only_what_can_be_cleared_is_cleared_and_never_while_it_is_set() -> None:
    assert FlipTile(clear=frozenset({"title", "count"})).to_fields() == {"clear": ["count", "title"]}
    assert fields_at_fault("flip_tile", clear=["tile_id"]) == {"tile_id"}
    assert fields_at_fault("flip_tile", clear=["wide_content_1"]) == {"wide_content_1"}
    assert fields_at_fault("flip_tile", clear=["title"], title="x") == {"title"}
    assert fields_at_fault("flip_tile", clear=["count"], count=0) == {"count"}
    assert fields_at_fault("toast", title="x", clear=["title"]) == {"clear"}


@pytest.mark.parametrize("slug", MESSAGES)
def test_a_form_asks_for_every_field(slug: str) -> None:
    kind = MESSAGES[slug]
    asked = kind.form_fields()
    assert {one.name for one in asked} == {spec.name for spec in dataclasses.fields(kind)} - {"clear"}
    assert all(one.label for one in asked)
    assert all(one.clearable for one in asked if issubclass(kind, Tile) and one.name != "tile_id")
    assert not any(one.clearable for one in asked if not issubclass(kind, Tile))


def test_control_characters_go_and_everything_else_stays_as_typed() -> None:
    typed = "a\x00\x0b\x1f\ud83d\ufffe\uffffb <&]]> \t\r\n é שלום 🎉 👩‍👩‍👧 e\u0301 \u200f \x85 \x7f"
    kept = "ab <&]]> \t\r\n é שלום 🎉 👩‍👩‍👧 e\u0301 \u200f \x85 \x7f"
    assert Toast(title=typed, text=typed) == Toast(title=kept, text=kept)
    assert Raw(body=typed).body == kept


@given(st.text(), st.text())
def test_any_text_can_be_kept_as_json(title: str, text: str) -> None:
    try:
        toast = Toast(title=title, text=text)
    except MessageInvalid:
        return
    assert Message.from_fields("toast", json.loads(json.dumps(toast.to_fields()))) == toast
    assert toast.title.encode().decode() == toast.title


@pytest.mark.threats(35)
@given(
    st.sampled_from(sorted(MESSAGES)),
    st.dictionaries(
        st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
        max_size=5,
    ),
    st.data(),
)
def test_whatever_is_posted_is_a_message_or_problems(slug: str, posted: dict[str, object], data: st.DataObject) -> None:
    names = [one.name for one in MESSAGES[slug].form_fields()] + ["clear"]
    fields = {data.draw(st.sampled_from(names)): value for value in posted.values()}
    for given_fields in (posted, fields):
        try:
            message = Message.from_fields(slug, given_fields)
        except MessageInvalid:
            continue
        json.dumps(message.to_fields())
