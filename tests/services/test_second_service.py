"""A second service needs its own file and nothing else: for composer, storage, credentials, keys, sending, record."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaigns.compose import release
from campaigns.control import NotReady
from campaigns.models import Breaker, Campaign, Delivery, Notification
from campaigns.monitor import stats
from campaigns.pipeline import breaker, journal, sending
from campaigns.pipeline.rendering import Renderer
from campaigns.pipeline.statements import read_devices
from campaigns.pipeline.tokens import Tokens
from campaigns.pipeline.values import Answered
from devices.bearer import TokenAway
from devices.common.clock import now
from devices.common.secrets import digest
from devices.models import ApiKey, Credential, Device
from devices.push.base import AddressRefused, Outcome, PushService, TokenRefused, Verdict
from devices.push.services import find
from devices.registration import Registration, RegistrationRefused
from tests.services.conftest import Office, Town

ADD = "/campaigns/campaign/add/"
Status = Campaign.Status


@pytest.fixture
def boss(client: Client) -> Client:
    """A browser of somebody who may do everything."""
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


def status(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return campaign.status


def outcomes(campaign: Campaign) -> list[tuple[str, str, int]]:
    """Return (service, outcome, attempt) of every delivery."""
    rows = Delivery.objects.filter(campaign=campaign).order_by("device_id", "attempt")
    names = dict(Device.objects.values_list("pk", "service"))
    return [(names[row.device_id], row.outcome, row.attempt) for row in rows]


# What it asks for


def test_the_composer_asks_for_its_options_and_a_duplicate_keeps_them(town: Town, boss: Client) -> None:
    town.lines(1)
    page = boss.get(ADD).content.decode()
    assert "Only on Telegraph" in page
    assert 'name="telegraph-ribbon"' in page
    form = {
        "app": town.app.pk,
        "name": "Flood",
        "time_zone": "UTC",
        "when": "now",
        "hours": "24",
        "message": "toast",
        "toast-title": "Flood",
        "telegraph-ribbon": "red",
        "telegraph-bell": "on",
        "wish": "save",
    }
    boss.post(ADD, form)
    draft = Notification.objects.get()
    assert draft.options == {"telegraph": {"ribbon": "red", "bell": True}}
    shown = boss.get(f"/campaigns/campaign/{draft.campaign_id}/change/").content.decode()
    assert 'value="red"' in shown
    boss.post(f"/campaigns/campaign/{draft.campaign_id}/duplicate/")
    assert [row.options for row in Notification.objects.all()] == [draft.options] * 2
    release.start(draft.campaign, None)
    town.run()
    assert [wire["body"] for wire in town.office.wires] == ["rot1 Flood STOP  red"]


def test_what_does_not_go_with_the_kind_is_not_stored(town: Town, boss: Client) -> None:
    form = {"app": town.app.pk, "name": "x", "time_zone": "UTC", "when": "now", "hours": "24", "wish": "save"}
    boss.post(ADD, form | {"message": "raw", "raw-body": "{}", "telegraph-bell": "on", "mpns-sound": "a.mp3"})
    assert Notification.objects.get().options == {}


def test_its_credentials_are_asked_for_and_stored_encrypted(town: Town, boss: Client) -> None:
    Credential.objects.all().delete()
    page = boss.get(f"/devices/app/{town.app.pk}/change/").content.decode()
    assert "host:port of the office" in page
    assert 'type="password" name="telegraph-secret"' in page
    path = f"/devices/app/{town.app.pk}/credentials/telegraph/"
    told = boss.post(path, {"telegraph-office": "x:1", "telegraph-secret": ""}, follow=True).content.decode()
    assert "Telegraph: This field is required." in told
    boss.post(path, {"telegraph-office": "x:1", "telegraph-secret": "sesame"})
    assert Credential.objects.get().secret == {"office": "x:1", "secret": "sesame"}
    assert "sesame" not in boss.get(f"/devices/app/{town.app.pk}/change/").content.decode()


def test_a_devices_keys_travel_from_registration_to_the_wire(town: Town, client: Client) -> None:
    ApiKey.objects.create(app=town.app, name="x", digest=digest("pk_x"), hint="pk")
    said = {"service": "telegraph", "address": f"{town.office.address},7", "keys": {"cipher": "rot7"}}
    headers = {"Authorization": "Bearer pk_x"}
    answer = client.post("/api/v1/devices", said, content_type="application/json", headers=headers)
    assert answer.status_code == 201, answer.content
    assert "rot7" not in str(Device.objects.extra(select={"raw": "keys"}).values_list("raw").get())  # encrypted
    campaign = town.campaign()
    release.start(campaign, None)
    town.run()
    assert town.office.wires[0]["body"] == "rot7 Flood STOP Come up"


@pytest.mark.parametrize("keys", [{}, {"cipher": 5}, {"cipher": "x" * 501}, {"other": "x"}, {"cipher": "x", "b": "y"}])
def test_keys_that_the_service_does_not_know_or_lacks_are_refused(office: Office, keys: dict[str, Any]) -> None:
    with pytest.raises(RegistrationRefused) as refusal:
        Registration.read({"service": "telegraph", "address": f"{office.address},1", "keys": keys})
    assert list(refusal.value.problems) == ["keys"]


def test_a_service_without_keys_takes_none(office: Office) -> None:
    address = f"http://{office.address}/throttledthirdparty/01.00/x"
    with pytest.raises(RegistrationRefused, match="none"):
        Registration.read({"service": "mpns", "address": address, "keys": {"cipher": "x"}})


# Who is shown what


def test_a_kind_it_cannot_carry_is_skipped_counted_before_and_pauses_nothing(town: Town, boss: Client) -> None:
    town.lines(*range(1, 31))
    town.phones(2)
    campaign = town.campaign("raw", {"body": "{}"})
    page = boss.get(f"/campaigns/campaign/{campaign.pk}/confirm/").content.decode()
    assert "30 devices are left out." in page
    assert "Telegraph cannot carry a raw." in page
    assert "Send to 2 devices" in page
    release.start(campaign, None)
    town.run()
    assert status(campaign) == Status.FINISHED
    assert set(outcomes(campaign)) == {("telegraph", "skipped", 1), ("mpns", "accepted", 1)}
    assert Delivery.objects.filter(outcome="skipped").first().reason == "Telegraph cannot carry this kind of message."  # type: ignore[union-attr]


def test_what_nobody_can_be_shown_is_not_sent(town: Town) -> None:
    town.lines(1)
    with pytest.raises(NotReady, match="cannot carry a raw"):
        release.start(town.campaign("raw", {"body": "{}"}), None)


def test_a_missing_text_for_a_language_is_skipped_counted_before_and_pauses_nothing(town: Town, boss: Client) -> None:
    town.phones(2, language="de-AT")
    for number in range(1, 31):
        town.lines(number, language="fr")
    campaign = town.campaign(language="de")
    page = boss.get(f"/campaigns/campaign/{campaign.pk}/confirm/").content.decode()
    assert "30 devices are left out. There is no text for their language" in page
    assert "Send to 2 devices" in page
    release.start(campaign, None)
    town.run()
    assert status(campaign) == Status.FINISHED
    assert set(outcomes(campaign)) == {("telegraph", "skipped", 1), ("mpns", "accepted", 1)}
    row = Delivery.objects.filter(outcome="skipped").first()
    assert row is not None
    assert row.reason == "There is no text for this device's language and no default."
    assert set(Delivery.objects.filter(outcome="accepted").values_list("variant", "language")) == {("", "de")}


def test_of_two_contents_each_device_gets_one_and_its_row_says_which(town: Town) -> None:
    town.lines(*range(100, 160))
    campaign = town.campaign(fields={"title": "A", "text": ""}, variant="a")
    Notification.objects.create(campaign=campaign, variant="b", message="toast", fields={"title": "B"})
    release.start(campaign, None)
    town.run()
    got = {wire["number"]: wire["body"].split()[1].lower() for wire in town.office.wires}
    said = {
        device.address.partition(",")[2]: Delivery.objects.get(device=device.pk).variant
        for device in Device.objects.all()
    }
    assert got == said
    assert 15 <= list(said.values()).count("a") <= 45


def test_a_journal_keeps_which_content_it_was(db: None) -> None:
    answered = Answered(5, Verdict(Outcome.ACCEPTED), 200, 7, now())
    told = answered._replace(variant="b", language="de")
    line = journal.spelled(told).split(" ", 2)
    back = journal.answer_of(5, line[2])
    assert (back.variant, back.language) == ("b", "de")


# Addresses


def test_an_address_without_a_slash_is_judged_as_a_whole_every_time(town: Town) -> None:
    good, evil = town.lines(1, 2)
    Device.objects.filter(pk=evil.pk).update(address="127.0.0.1:9,2")  # another way into the database
    campaign = town.campaign()
    release.start(campaign, None)
    town.run()
    assert dict(Delivery.objects.values_list("device_id", "outcome")) == {good.pk: "accepted", evil.pk: "rejected"}
    assert town.office.numbers() == ["1"]


def test_a_token_for_an_address_is_judged_each_time_however_plain_it_is() -> None:
    class Judge:
        def clean_address(self, raw: str, *, extra_hosts: frozenset[str] = frozenset()) -> str:
            if raw == "evil":
                raise AddressRefused(raw)
            return raw

    judge: Any = Judge()
    renderer = Renderer(1, "judge", {})
    assert renderer._dialled(judge, "good") == "good"
    with pytest.raises(AddressRefused):
        renderer._dialled(judge, "evil")


# Tokens


def test_a_token_that_is_not_taken_is_renewed_once_and_costs_no_attempt(town: Town) -> None:
    town.office.answers = lambda wire: 401 if wire["token"] == "token-1" else 200
    town.lines(*range(1, 41))
    campaign = town.campaign()
    release.start(campaign, None)
    town.run()
    assert status(campaign) == Status.FINISHED
    assert outcomes(campaign) == [("telegraph", "accepted", 1)] * 40
    assert len(town.office.numbers()) == 40
    assert town.office.tokens == 2


def test_a_new_token_that_is_not_taken_either_is_about_our_account(town: Town) -> None:
    town.office.answers = lambda wire: 401
    town.lines(*range(1, 41))
    campaign = town.campaign()
    release.start(campaign, None)
    town.run()
    assert status(campaign) == Status.PAUSED
    assert campaign.paused_because == "The office does not know us."
    assert town.office.tokens == 2
    assert stats.progress(campaign).final == 0  # nobody is lost


def test_without_a_token_nothing_leaves_and_only_its_campaign_pauses(town: Town) -> None:
    Credential.objects.update(secret={"office": town.office.address, "secret": "wrong"})
    town.lines(1)
    campaign = town.campaign()
    release.start(campaign, None)
    town.run()
    assert status(campaign) == Status.PAUSED
    assert campaign.paused_because == "The office gave no token (403)."
    assert town.office.wires == []


def test_a_token_office_that_is_down_is_waited_for_and_nobody_is_asked(town: Town, clock: Any) -> None:
    town.office.token_status = 503
    town.lines(1, 2)
    campaign = town.campaign()
    release.start(campaign, None)
    town.run()
    assert status(campaign) == Status.SENDING
    assert Breaker.objects.get().circuit == f"telegraph:app {campaign.app_id}"
    assert (town.office.wires, Delivery.objects.count()) == ([], 0)
    town.office.token_status = 200
    for _ in range(3):
        clock.advance(breaker.LONGEST)
        town.run()
    assert status(campaign) == Status.FINISHED
    assert outcomes(campaign) == [("telegraph", "accepted", 1)] * 2


def test_one_odd_device_renews_once_and_the_others_are_not_held_up(town: Town) -> None:
    town.office.answers = lambda wire: 401 if wire["number"] == "7" else 200
    town.lines(*range(1, 21))
    campaign = town.campaign()
    Campaign.objects.update(leave_denied=True)
    release.start(campaign, None)
    town.run()
    assert status(campaign) == Status.FINISHED
    assert sorted(outcomes(campaign)) == [*[("telegraph", "accepted", 1)] * 19, ("telegraph", "rejected", 1)]
    assert town.office.tokens <= 3


def test_a_token_belongs_to_the_credentials_it_was_given_for(town: Town, settings: Any) -> None:
    service = find("telegraph")
    account = service.credentials
    assert account is not None
    held = Tokens()
    own = account(town.office.address, "sesame")
    first = token(held, service, own)
    assert token(held, service, own) == first
    assert token(Tokens(), service, own) == first, "another sender takes the one there is"
    with pytest.raises(TokenRefused):
        token(held, service, account(town.office.address, "other"))
    settings.EMULATOR = ""
    with pytest.raises(TokenAway, match="not a public address"):
        token(held, service, account(f"{town.office.address}", "third"))


def token(held: Tokens, service: PushService, credentials: object) -> str:
    """Ask until there is one."""
    until = time.monotonic() + 10
    while (found := held.get(service, credentials)).waiting:
        assert time.monotonic() < until
        time.sleep(0.01)
    return found.value or ""


def test_no_secret_is_told_by_what_is_written_into_a_log(town: Town) -> None:
    (line,) = town.lines(1)
    renderer = Renderer.of(town.campaign().pk, town.app.pk, "telegraph", Tokens())
    row = read_devices([line.pk])[line.pk]
    shown = f"{renderer!r} {row!r} {renderer.render(row, 'x')!r}"
    assert not [secret for secret in ("sesame", "token-1", "rot1") if secret in shown]


def test_a_device_that_changed_its_service_sees_no_credential_of_the_former(town: Town) -> None:
    line, phone = *town.lines(1), *town.phones(1)
    campaign = town.campaign()
    release.start(campaign, None)
    while sending.prepare_some():
        pass
    Device.objects.filter(pk=phone.pk).delete()
    Device.objects.filter(pk=line.pk).update(service="mpns", address=phone.address)
    town.run()
    assert town.office.wires == []
    row = Delivery.objects.get(device=line.pk)
    assert (row.outcome, row.reason) == ("skipped", "It registered with another push service meanwhile.")


# What fails together


def test_one_line_that_is_down_holds_up_no_other_and_burns_nobodys_attempts(town: Town, clock: Any) -> None:
    town.office.answers = lambda wire: 503 if wire["number"][0] == "1" else 200
    town.lines(*range(1000, 1300), *range(2000, 2100))
    campaign = town.campaign()
    release.start(campaign, None)
    town.run()
    assert [number for number in town.office.numbers() if number[0] == "2"] == [str(n) for n in range(2000, 2100)]
    row = Breaker.objects.get()
    assert (row.circuit, row.service) == ("telegraph:line 1", "telegraph")
    tried = Delivery.objects.filter(outcome="retry").count()
    assert breaker.TRIP <= tried <= breaker.TRIP + 64 + 64
    assert status(campaign) == Status.SENDING
    town.office.answers = lambda wire: 200
    for _ in range(8):
        clock.advance(timedelta(minutes=4))
        town.run()
    assert status(campaign) == Status.FINISHED
    assert not Breaker.objects.exists()
    assert len(town.office.numbers()) == 400
    assert stats.progress(campaign).counts["accepted"] == 400  # type: ignore[index]  # StrEnum
