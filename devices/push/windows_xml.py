"""The XML that Windows 10 and later show: toasts (ToastGeneric) and adaptive tiles.

Source: Microsoft, "Toast schema" and "Tile schema". What was composed for the tiles of older phones is laid out anew:
a tile that turned over is a picture that peeks, with the words of its back below.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from devices.push.adaptive import AdaptiveTile
from devices.push.message import Face, Toast, is_web_address
from devices.push.tiles import CycleTile, Tile

BINDINGS = {"small": "TileSmall", "medium": "TileMedium", "wide": "TileWide"}
Element = ElementTree.Element


def toast(message: Toast, look: Any) -> Element:
    """Return a toast. ``look`` has what Windows alone can do with it (services.wns.Options)."""
    root = Element("toast")
    _set(root, launch=message.link, scenario=look.scenario, duration="long" if look.long else "")
    if is_web_address(message.link):
        root.set("activationType", "protocol")
    binding = _child(_child(root, "visual"), "binding", template="ToastGeneric")
    for line in (message.title, message.text):
        if line:
            _child(binding, "text").text = line
    if look.attribution:
        _child(binding, "text", placement="attribution").text = look.attribution
    pictures = (("appLogoOverride", look.logo), ("hero", look.hero), ("", look.picture))
    for placement, picture in pictures:
        if picture:
            _set(_child(binding, "image"), placement=placement, src=picture)
    _buttons(root, message, [(look.button_1, look.button_1_opens), (look.button_2, look.button_2_opens)])
    _audio(root, look)
    return root


def _buttons(root: Element, message: Toast, buttons: list[tuple[str, str]]) -> None:
    named = [(label, opens) for label, opens in buttons if label]
    if not named:
        return
    actions = _child(root, "actions")
    for label, opens in named:
        kind = "protocol" if is_web_address(opens or message.link) else "foreground"
        _child(actions, "action", content=label, arguments=opens or message.link, activationType=kind)


def _audio(root: Element, look: Any) -> None:
    if look.silent:
        _child(root, "audio", silent="true")
    elif look.sound:
        looping = {"loop": "true"} if look.sound.startswith("Looping") else {}
        _child(root, "audio", src=f"ms-winsoundevent:Notification.{look.sound}", **looping)
    if look.sound.startswith("Looping"):
        root.set("duration", "long")


def adaptive(message: AdaptiveTile) -> Element:
    """Return a tile that was composed for Windows."""
    root = Element("tile")
    visual = _child(root, "visual")
    _set(visual, branding=message.branding, displayName=message.name)
    lines = [line for line in (message.line_1, message.line_2, message.line_3) if line]
    for name, most in (("TileMedium", 2), ("TileWide", 3), ("TileLarge", 3)):
        binding = _child(visual, "binding", template=name)
        if message.picture:
            _child(binding, "image", placement="background", src=message.picture)
        if message.title:
            _child(binding, "text", **{"hint-style": "base"}).text = message.title
        for line in lines[:most]:
            _child(binding, "text", **{"hint-style": "caption", "hint-wrap": "true"}).text = line
    return root


def from_phone(message: Tile) -> Element:
    """Return a tile that was composed for a phone, by its faces: each size that it has."""
    root = Element("tile")
    visual = _child(root, "visual")
    faces = message.faces()
    for size, name in BINDINGS.items():
        several = [face for face in faces if face.size == size]
        front = next((face for face in several if not face.back), None)
        back = next((face for face in several if face.back), None)
        if front is not None and not (front.empty and (back is None or back.empty)):
            _bind(visual, name, front, back, message)
    for binding in [one for one in visual if not len(one) and not one.get("displayName")]:
        visual.remove(binding)  # it would empty the tile
    return root


def _bind(visual: Element, name: str, front: Face, back: Face | None, message: Tile) -> None:
    binding = _child(visual, "binding", template=name)
    if front.title and name != "TileSmall":
        _set(binding, branding="name", displayName=front.title)
    picture = _source(_first(message) if isinstance(message, CycleTile) and name != "TileSmall" else front.picture)
    if picture:
        _child(binding, "image", placement="peek" if back is not None else "background", src=picture)
    if back is not None and (behind := _source(back.picture)):
        _child(binding, "image", placement="background", src=behind)
    told = (back.title, *back.lines) if back is not None else front.lines
    for line in told:
        if line:
            _child(binding, "text", **{"hint-style": "caption", "hint-wrap": "true"}).text = line


def _first(message: CycleTile) -> str:
    """Return the first picture that there is."""
    return next((one for number in range(1, 10) if (one := getattr(message, f"cycle_image_{number}"))), "")


def _source(picture: str) -> str:
    """Return a picture as Windows finds it: in the app under its own scheme. "" for what lies on a phone alone."""
    if picture.startswith("/"):
        return f"ms-appx://{picture}"
    return "" if picture.startswith("isostore:") else picture


def _child(parent: Element, name: str, **attributes: str) -> Element:
    return ElementTree.SubElement(parent, name, attributes)


def _set(element: Element, **attributes: str) -> None:
    for name, value in attributes.items():
        if value:
            element.set(name, value)
