"""What rpush knows of devices comes in: its messages, the feedback it got, and a table of its users' own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from devices.models import App, Device
from tests.devices.moving.conftest import (
    CHANNEL,
    ENDPOINT,
    OLD_CHANNEL,
    apns,
    at,
    counts,
    fcm,
    load,
    load_text,
    problems,
)

RUBY = "Rpush::Client::ActiveRecord::"


def test_the_addresses_of_its_messages(app: App) -> None:
    report = load(app, "rpush_notifications.csv")
    assert (counts(report), report.repeated, report.ignored) == ((10, 0, 3), 3, [])
    found = {device.address: device.service for device in Device.objects.all()}
    assert found == {
        **{apns(number): "apns" for number in (1, 2, 6)},
        **{fcm(number): "fcm" for number in (1, 2, 3, 4)},
        CHANNEL: "wns",
        OLD_CHANNEL: "mpns",
        ENDPOINT: "webpush",
    }
    told = problems(report)
    assert told[9] == f"There is no push service here for the type “{RUBY}Adm::Notification”."
    assert told[13] == "address: it is one for Android (FCM), and the row says iPhone (APNs)."
    assert told[15] == "This row names no address."


def test_who_is_gone_by_the_last_message_is_retired_and_nobody_else(app: App) -> None:
    load(app, "rpush_notifications.csv")
    retired = Device.objects.filter(status="retired")
    assert {device.address for device in retired} == {apns(2), fcm(4)}  # not fcm(1): a later message reached it
    assert at(apns(2)).retired_at == datetime(2024, 5, 2, 7, 8, 11, tzinfo=UTC)
    assert at(apns(2)).retired_reason == "Its push service told rpush that it is gone."
    assert at(apns(1)).registered_at == datetime(2024, 5, 9, 7, 8, 9, tzinfo=UTC)  # of the last row


@pytest.mark.parametrize(
    ("kind", "code", "described", "status"),
    [
        ("Apns", "8", "Invalid token", "retired"),
        ("Apnsp8", "410", "ExpiredToken", "retired"),
        ("Apnsp8", "400", "BadDeviceToken", "active"),
        ("Apns2", "404", "BadPath", "active"),
    ],
)
def test_only_what_says_for_good_that_nobody_is_there_retires(
    app: App, kind: str, code: str, described: str, status: str
) -> None:
    head = "type,device_token,failed,error_code,error_description\n"
    load_text(app, f"{head}{RUBY}{kind}::Notification,{apns(1)},t,{code},{described}\n")
    assert at(apns(1)).status == status
    load_text(app, f"{head}{RUBY}{kind}::Notification,{apns(1)},f,{code},{described}\n")
    assert at(apns(1)).status == "active"


def test_a_feedback_retires(app: App) -> None:
    load(app, "rpush_notifications.csv")
    report = load(app, "rpush_feedback.csv")
    assert (counts(report), report.repeated) == ((1, 1, 0), 1)
    assert (at(apns(1)).status, at(apns(7)).status) == ("retired", "retired")
    assert at(apns(7)).retired_at == datetime(2024, 6, 3, 7, 8, 11, tzinfo=UTC)
    assert at(apns(7)).retired_reason == "Apple's feedback service named its address to rpush."


def test_a_table_of_ones_own_that_names_its_classes(app: App) -> None:
    report = load(app, "rpush_own_table.csv")
    assert (counts(report), report.ignored) == ((3, 0, 0), ["user_id"])
    assert {device.address for device in Device.objects.all()} == {f"sandbox:{apns(1)}", apns(2), fcm(1)}


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("registration_id,app", f"{fcm(1)},{RUBY}Fcm::App"),
        ("registration_ids,type", f"{fcm(1)} {fcm(1)},Rpush::Gcm::Notification"),
        ("device_token,type,app", f"{fcm(1)},phone,Rpush::Fcm::App"),
    ],
)
def test_the_class_may_stand_in_any_of_its_columns(app: App, columns: str, cells: str) -> None:
    assert counts(load_text(app, f"{columns}\n{cells}\n")) == (1, 0, 0)
    assert at(fcm(1)).service == "fcm"


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        ("Fcm", '"{""a"": 1}"', "registration_ids is not a JSON list"),
        ("Fcm", '"[1"', "registration_ids is not a JSON list"),
        ("Fcm", '"[1]"', "address is missing"),
        ("Webpush", '"[{""endpoint"": ""https://updates.push.services.mozilla.com/x""}]"', "p256dh"),
        ("Webpush", '"[7]"', "endpoint is missing"),
    ],
)
def test_what_is_wrong_with_a_row_is_a_sentence(app: App, kind: str, value: str, sentence: str) -> None:
    assert sentence in problems(load_text(app, f"type,registration_ids\n{RUBY}{kind}::Notification,{value}\n"))[2]


def test_one_wrong_address_among_several_costs_only_itself(app: App) -> None:
    report = load_text(app, f'type,registration_ids\n{RUBY}Gcm::Notification,"[""x y"", ""{fcm(1)}""]"\n')
    assert (counts(report), at(fcm(1)).service) == ((1, 0, 1), "fcm")
