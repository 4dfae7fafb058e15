"""The whole way in a real Firefox: a visitor of the example site, and somebody who tries it on themselves."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaigns.models import Campaign, Delivery, Report, Trial
from campaigns.monitor.reports import INTAKE, counts
from devices.browsers import code
from devices.models import App, Device, Site
from devices.push import vapid
from tests.campaigns.conftest import House
from tests.devices.browsers.conftest import PUBLIC, key_for
from tests.firefox import Firefox
from tests.waiting import ended, until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "site"
PLACE = re.compile(r"/\* Put here the snippet .*? \*/")
LEAVE = """
  const [worker] = await navigator.serviceWorker.getRegistrations();
  return (await worker.pushManager.getSubscription()).unsubscribe();
"""
YESTERDAY = """
  const name = Object.keys(localStorage).find(key => key.startsWith("/pushadmin-"));
  localStorage.setItem(name, JSON.stringify({...JSON.parse(localStorage.getItem(name)), day: 1}));
"""
MINE = """
  const worker = (await navigator.serviceWorker.getRegistrations()).find(one => one.scope.includes("/pushadmin-"));
  return (await worker?.pushManager.getSubscription())?.endpoint || '';
"""
HELLO = {"title": "Storm on Saturday", "text": "Gusts up to 110 km/h.", "link": "/coast"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site_url(tmp_path: Path) -> Iterator[str]:
    """The example site, served from a folder of its own."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE, folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        ended(thread)


@pytest.fixture
def visited(house: House, site_url: str, live_server: Any, tmp_path: Path, settings: Any) -> House:
    """The example site with the code that the App's page shows for it."""
    settings.REGISTRATIONS_PER_ADDRESS = 1000
    key_for(house.app)
    admin = Client()
    admin.force_login(User.objects.create_superuser("ada", password="correct horse"))
    form = {"origins": site_url}
    assert admin.post(f"/devices/app/{house.app.pk}/site/", form).status_code == 302
    base = {
        "SERVER_NAME": live_server.url.split("//")[1].split(":")[0],
        "SERVER_PORT": live_server.url.rpartition(":")[2],
    }
    shown = admin.get(f"/devices/app/{house.app.pk}/change/", **base).context["snippet"]
    worker = admin.get(f"/devices/app/{house.app.pk}/site-worker.js", **base).content.decode()
    assert worker == code.worker(App.objects.get(pk=house.app.pk), live_server.url, Site.objects.get())
    page = (tmp_path / "site" / "index.html").read_text()
    (tmp_path / "site" / "index.html").write_text(PLACE.sub(lambda match: shown, page))
    (tmp_path / "site" / "pushadmin-worker.js").write_text(worker)
    return house


def says(firefox: Firefox, selector: str, text: str) -> None:
    until(lambda: text in firefox.text(selector), 15, f"“{text}”", saw=lambda: firefox.text(selector))


def subscribe(firefox: Firefox, site_url: str) -> None:
    """Open the example site and press its button."""
    firefox.open(f"{site_url}/index.html")
    firefox.click("#subscribe")
    says(firefox, "#said", "You will be told.")


def titles(firefox: Firefox) -> list[tuple[str, str]]:
    return [(one["title"], one["body"]) for one in firefox.notifications()]


def test_a_visitor_subscribes_is_sent_a_campaign_reports_it_and_leaves(
    visited: House, firefox: Firefox, site_url: str
) -> None:
    subscribe(firefox, site_url)
    device = Device.objects.get()
    assert (device.service, device.status, device.attributes) == ("webpush", "active", {"town": "Boston"})
    assert [tag.name for tag in device.tags.all()] == ["storm-warnings"]
    assert device.address.startswith(visited.emulator.url)
    assert device.model.startswith("Firefox ")

    campaign = visited.send(content=HELLO)
    assert Delivery.objects.get(campaign=campaign).outcome == "accepted"
    until(
        lambda: titles(firefox) == [(HELLO["title"], HELLO["text"])],
        15,
        "the notification",
        saw=lambda: titles(firefox),
    )
    until(lambda: INTAKE.flush() or counts(campaign.pk), 15, "the report “shown”")
    assert list(Report.objects.values_list("campaign", "device", "word")) == [
        (campaign.pk, device.pk, Report.Word.SHOWN)
    ]

    # It leaves without a word to us: only its push service knows.
    assert firefox.run(LEAVE) is True
    second = visited.send(content=HELLO)
    assert Delivery.objects.get(campaign=second).outcome == "gone"
    device.refresh_from_db()
    assert (device.status, device.retired_by) == ("retired", second.pk)

    # And again, with a word this time.
    firefox.run("document.getElementById('said').textContent = '';")
    firefox.click("#subscribe")
    says(firefox, "#said", "You will be told.")
    fresh = Device.objects.get()  # the same one: the page told its former subscription
    assert (fresh.pk, fresh.status, fresh.retired_by) == (device.pk, "active", None)
    firefox.click("#unsubscribe")
    says(firefox, "#said", "You will not be told any more.")
    fresh.refresh_from_db()
    assert (fresh.status, fresh.retired_reason) == ("retired", "Its visitor unsubscribed.")


def test_who_has_left_stays_away_and_who_has_not_is_told_of_on_every_visit(
    visited: House, firefox: Firefox, site_url: str
) -> None:
    subscribe(firefox, site_url)
    device = Device.objects.get()
    Device.objects.update(language="xx")
    firefox.open(f"{site_url}/index.html?again")
    firefox.run("await new Promise(done => setTimeout(done, 1000));")
    assert Device.objects.get().language == "xx"  # nothing new, and not yet a day
    firefox.run(YESTERDAY)
    firefox.open(f"{site_url}/index.html?tomorrow")
    until(lambda: Device.objects.get().language != "xx", 15, "the visit", every=0.7)
    assert Device.objects.get().address == device.address
    assert [tag.name for tag in device.tags.all()] == ["storm-warnings"]
    firefox.click("#unsubscribe")
    says(firefox, "#said", "You will not be told any more.")
    firefox.open(f"{site_url}/index.html?later")
    assert firefox.run(MINE) == ""
    assert Device.objects.get().status == "retired"


def test_a_visitor_of_a_former_key_is_subscribed_anew_on_the_next_visit(
    visited: House, firefox: Firefox, site_url: str, tmp_path: Path
) -> None:
    subscribe(firefox, site_url)
    former = Device.objects.get()
    private = vapid.new_key()
    secret: Any = {"contact": "mailto:ops@example.org", "private": private}
    fresh = vapid.public_key(private)
    visited.app.credentials.update(secret=secret, fingerprint=fresh)
    for file in (tmp_path / "site").iterdir():  # the site puts the new code there
        file.write_text(file.read_text().replace(PUBLIC, fresh))
    firefox.open(f"{site_url}/index.html?again")  # without a click: the permission is there
    until(lambda: Device.objects.get().address != former.address, 15, "the new subscription", every=0.7)
    campaign = visited.send(content=HELLO)
    assert Delivery.objects.get(campaign=campaign).outcome == "accepted"
    assert Device.objects.get().pk == former.pk


def test_a_subscription_that_the_browser_renews_by_itself_is_told(
    visited: House, firefox: Firefox, site_url: str
) -> None:
    subscribe(firefox, site_url)
    before = Device.objects.get().address
    visited.emulator.control("webpush/forget", {})
    until(lambda: firefox.run(MINE) not in {"", before}, 20, "the new endpoint")
    # Looked for seldom: server and test share one connection to a database in memory.
    until(lambda: Device.objects.exclude(address=before).count() == 1, 20, "the renewed device", every=0.7)
    campaign = visited.send(content=HELLO)
    until(lambda: titles(firefox) == [(HELLO["title"], HELLO["text"])], 15, "the notification")
    assert Delivery.objects.get(campaign=campaign).outcome == "accepted"
    assert Device.objects.get().status == "active"  # the same device as before


OTHER_WORKER = "self.addEventListener('install', () => self.skipWaiting());"
OTHER = """
  const worker = await navigator.serviceWorker.register("/other-worker.js");
  for (let wait = 0; !worker.active && wait < 100; wait++) await new Promise(next => setTimeout(next, 50));
  const options = {userVisibleOnly: true, applicationServerKey: args[0]};
  return (await worker.pushManager.subscribe(options)).endpoint;
"""
STILL = """
  const workers = await navigator.serviceWorker.getRegistrations();
  const theirs = workers.find(one => one.active?.scriptURL.endsWith("/other-worker.js"));
  return [workers.length, (await theirs?.pushManager.getSubscription())?.endpoint];
"""


def test_another_service_worker_of_the_site_and_its_subscription_stay_as_they_are(
    visited: House, firefox: Firefox, site_url: str, tmp_path: Path
) -> None:
    (tmp_path / "site" / "other-worker.js").write_text(OTHER_WORKER)
    firefox.open(f"{site_url}/index.html")
    theirs = firefox.run(OTHER, vapid.public_key(vapid.new_key()))
    firefox.open(f"{site_url}/index.html?again")  # who has not clicked is not subscribed by a visit
    firefox.run("await new Promise(done => setTimeout(done, 1500));")
    assert not Device.objects.exists()
    assert firefox.run(STILL) == [1, theirs]
    firefox.click("#subscribe")
    says(firefox, "#said", "You will be told.")
    assert firefox.run(STILL) == [2, theirs]
    firefox.click("#unsubscribe")
    says(firefox, "#said", "You will not be told any more.")
    assert firefox.run(STILL) == [2, theirs]
    assert Device.objects.get().status == "retired"


CLICK = """
  for (const window of Services.wm.getEnumerator("alert:alert")) {
    if (window.document.readyState !== "complete" || !window.gAlertListener) continue;
    window.onAlertClick();
    return true;
  }
  return false;
"""


def heard(word: Report.Word) -> bool:
    """Return whether a device has said this."""
    return any(said.word == word for said in INTAKE._waiting.values())


def test_a_click_opens_its_target_and_is_reported_as_a_click_alone(
    visited: House, firefox: Firefox, site_url: str
) -> None:
    subscribe(firefox, site_url)
    campaign = visited.send(content={**HELLO, "link": f"{site_url}/index.html?coast"})
    # Again until it is heard: the window of a notification takes a moment to listen.
    clicked = lambda: heard(Report.Word.CLICKED) or (firefox.chrome(CLICK) and heard(Report.Word.CLICKED))  # noqa: E731
    until(clicked, 20, "the report “clicked”", every=0.5)
    firefox.run("await new Promise(done => setTimeout(done, 1000));")
    INTAKE.flush()
    said = counts(campaign.pk)
    assert said is not None
    assert (said.shown, said.clicked, said.dismissed) == (1, 1, 0)
    tabs = "Services.wm.getMostRecentBrowserWindow().gBrowser.tabs"
    pages = f"return [...{tabs}].map(tab => tab.linkedBrowser.currentURI.spec);"
    until(lambda: f"{site_url}/index.html?coast" in firefox.chrome(pages), 15, "the page that it opens")


def test_a_page_that_is_not_named_subscribes_nobody(visited: House, firefox: Firefox, site_url: str) -> None:
    Site.objects.get().origins.all().delete()
    firefox.open(f"{site_url}/index.html")
    firefox.click("#subscribe")
    until(lambda: firefox.text("#said"), 15, "a refusal")
    assert "You will be told." not in firefox.text("#said")
    assert not Device.objects.exists()


def signed_in(firefox: Firefox, live_server: Any) -> None:
    """Sign in by the page itself."""
    firefox.open(f"{live_server.url}/login/")
    firefox.fill("[name=username]", "ada")
    firefox.fill("[name=password]", "correct horse")
    firefox.click("form button[type=submit]")
    until(lambda: firefox.run("return location.pathname;") == "/", 15, "the overview")


def test_somebody_sends_to_the_browser_in_front_of_them(visited: House, firefox: Firefox, live_server: Any) -> None:
    signed_in(firefox, live_server)
    firefox.click("[data-this-browser] button")
    says(firefox, ".this-browser-outcome", "Accepted")
    says(firefox, ".this-browser-outcome", "Your browser shows it now.")
    device = Device.objects.get()
    assert (device.test, device.installation, device.app) == (True, "Browser of ada", visited.app)
    assert not Campaign.objects.exists()
    assert not Delivery.objects.exists()
    done = Trial.objects.get()
    assert (done.device_id, done.outcome, done.http_status, str(done.by)) == (device.pk, "accepted", 201, "ada")

    campaign = visited.campaign(content=HELLO)
    firefox.open(f"{live_server.url}/campaigns/campaign/{campaign.pk}/confirm/")
    firefox.click("[data-this-browser] button")
    says(firefox, ".this-browser-outcome", "Your browser shows it now.")
    assert Trial.objects.order_by("pk").last().title == HELLO["title"]  # type: ignore[union-attr]
    assert Device.objects.count() == 1

    firefox.open(f"{live_server.url}/campaigns/campaign/add/")
    firefox.click("[data-this-browser] button")
    says(firefox, ".this-browser-outcome", "Write a title or a text")
    firefox.fill("[name=toast-title]", "As I type")
    firefox.click("[data-this-browser] button")
    says(firefox, ".this-browser-outcome", "Your browser shows it now.")
    assert Trial.objects.order_by("pk").last().title == "As I type"  # type: ignore[union-attr]
