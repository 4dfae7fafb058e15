"""The XML of Windows, element by element as its schemas say."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from devices.push import windows_xml
from devices.push.adaptive import AdaptiveTile
from devices.push.message import Toast
from devices.push.services.wns import NO_OPTIONS, Options
from devices.push.tiles import CycleTile, FlipTile, IconicTile, StandardTile


def spelled(root: ElementTree.Element) -> str:
    return ElementTree.tostring(root, "unicode").replace(" />", "/>")


def toast(message: Toast | None = None, **options: Any) -> str:
    return spelled(windows_xml.toast(message or Toast(title="A"), Options(**options) if options else NO_OPTIONS))


def test_a_toast_has_its_lines_and_what_a_tap_opens() -> None:
    page = toast(Toast(title="Storm", text="Gusts", link="?area=coast&a=1"))
    lines = "<text>Storm</text><text>Gusts</text>"
    binding = f'<visual><binding template="ToastGeneric">{lines}</binding></visual>'
    assert page == f'<toast launch="?area=coast&amp;a=1">{binding}</toast>'
    site = toast(Toast(title="Storm", text="Gusts", link="https://example.org/"))
    assert site == f'<toast launch="https://example.org/" activationType="protocol">{binding}</toast>'


def test_pictures_stand_where_they_belong() -> None:
    told = toast(
        logo="https://a.example/l.png", hero="https://a.example/h.png", picture="ms-appx:///p.png", attribution="via A"
    )
    assert '<text placement="attribution">via A</text>' in told
    assert '<image placement="appLogoOverride" src="https://a.example/l.png"/>' in told
    assert '<image placement="hero" src="https://a.example/h.png"/>' in told
    assert '<image src="ms-appx:///p.png"/>' in told
    assert told.index("<text>A</text>") < told.index("attribution") < told.index("appLogoOverride")


def test_a_button_opens_a_page_of_the_web_or_the_app() -> None:
    told = toast(button_1="Map", button_1_opens="https://example.org/m", button_2="Later", button_2_opens="later")
    web = '<action content="Map" arguments="https://example.org/m" activationType="protocol"/>'
    app = '<action content="Later" arguments="later" activationType="foreground"/>'
    assert f"<actions>{web}{app}</actions>" in told
    link = toast(Toast(title="A", link="https://example.org/"), button_1="Open")
    assert '<action content="Open" arguments="https://example.org/" activationType="protocol"/>' in link
    assert "<actions>" not in toast()


@pytest.mark.parametrize(
    ("options", "told", "duration"),
    [
        ({}, "", None),
        ({"sound": "Mail"}, '<audio src="ms-winsoundevent:Notification.Mail"/>', None),
        ({"sound": "Mail", "long": True}, '<audio src="ms-winsoundevent:Notification.Mail"/>', "long"),
        (
            {"sound": "Looping.Alarm"},
            '<audio src="ms-winsoundevent:Notification.Looping.Alarm" loop="true"/>',
            "long",
        ),
        ({"silent": True}, '<audio silent="true"/>', None),
        ({"silent": True, "sound": "Mail"}, '<audio silent="true"/>', None),
        ({"silent": True, "sound": "Looping.Call"}, '<audio silent="true"/>', "long"),
    ],
)
def test_a_sound_that_loops_stays_long(options: dict[str, Any], told: str, duration: str | None) -> None:
    root = windows_xml.toast(Toast(title="A"), Options(**options))
    assert root.get("duration") == duration
    assert "".join(spelled(one) for one in root.iter("audio")) == told


def test_a_scenario_is_told() -> None:
    assert '<toast scenario="reminder">' in toast(scenario="reminder", button_1="Done")


def test_an_adaptive_tile_fits_its_lines_into_every_size() -> None:
    tile = AdaptiveTile(title="T", line_1="1", line_2="2", line_3="3", picture="https://a.example/p.png", name="N")
    root = windows_xml.adaptive(tile)
    assert root[0].attrib == {"branding": "nameAndLogo", "displayName": "N"}
    lines = {one.get("template"): [line.text for line in one.iter("text")] for one in root.iter("binding")}
    assert lines == {"TileMedium": ["T", "1", "2"], "TileWide": ["T", "1", "2", "3"], "TileLarge": ["T", "1", "2", "3"]}
    for image in root.iter("image"):
        assert image.attrib == {"placement": "background", "src": "https://a.example/p.png"}
    styles = [line.get("hint-style") for line in root[0][0].iter("text")]
    assert styles == ["base", "caption", "caption"]


def test_a_tile_that_turned_over_is_a_picture_that_peeks() -> None:
    tile = FlipTile(
        title="T",
        background_image="/front.png",
        back_title="B",
        back_content="C",
        back_background_image="https://a.example/back.png",
        wide_background_image="isostore:/Shared/ShellContent/w.png",
        small_background_image="/small.png",
    )
    root = windows_xml.from_phone(tile)
    small, medium, wide = root.iter("binding")
    assert spelled(small) == (
        '<binding template="TileSmall"><image placement="background" src="ms-appx:///small.png"/></binding>'
    )
    assert medium.attrib == {"template": "TileMedium", "branding": "name", "displayName": "T"}
    assert [one.attrib for one in medium.iter("image")] == [
        {"placement": "peek", "src": "ms-appx:///front.png"},
        {"placement": "background", "src": "https://a.example/back.png"},
    ]
    assert [one.text for one in medium.iter("text")] == ["B", "C"]
    assert [one.get("template") for one in root.iter("binding")] == ["TileSmall", "TileMedium", "TileWide"]
    assert list(wide.iter("image")) == []


def test_a_cycle_tile_shows_its_first_picture_and_its_own_small_one() -> None:
    tile = CycleTile(cycle_image_2="/2.png", cycle_image_3="/3.png", small_background_image="/s.png")
    sources = {one.get("template"): one[0].get("src") for one in windows_xml.from_phone(tile).iter("binding")}
    assert sources == {"TileSmall": "ms-appx:///s.png", "TileMedium": "ms-appx:///2.png"}


def test_a_size_with_nothing_in_it_is_left_as_it_is_on_the_device() -> None:
    assert spelled(windows_xml.from_phone(IconicTile(count=5))) == "<tile><visual/></tile>"
    only_small = windows_xml.from_phone(IconicTile(count=5, small_icon_image="/s.png"))
    assert [one.get("template") for one in only_small.iter("binding")] == ["TileSmall"]
    assert [one.get("template") for one in windows_xml.from_phone(StandardTile(title="A")).iter("binding")] == [
        "TileMedium"
    ]
