"""Reading addresses: what is taken, in which spelling it is kept, and every trick that must be refused."""

from __future__ import annotations

import timeit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.push.address import LONGEST
from devices.push.base import AddressRefused
from devices.push.services import find

MPNS = find("mpns")
EMULATOR = frozenset({"127.0.0.1:9100"})
ID = "AAEqbi-clyknR6iysF1QNBFpAgAAAAADAQAAAAQUZm52OkJCMjg1QTg1QkZDMkUxREQ"
HTTP = f"http://sn1.notify.live.net/throttledthirdparty/01.00/{ID}"
HTTPS = f"https://sn1.notify.live.net/unthrottledthirdparty/01.00/{ID}"
LATER = f"://s.notify.live.net/u/1/bn1/{ID}"


@pytest.mark.parametrize(
    "raw",
    [
        *(HTTP, HTTPS, f"http{LATER}", f"https{LATER}"),
        *(f"{HTTP}?a=1", f"{HTTP}?a=/b&c=d", HTTP.replace("sn1", "db3"), HTTP.replace("sn1.", "")),
        f"http://sn1.notify.live.net/throttledthirdparty/01.00/{'A' * 1500}",
    ],
)
def test_channel_uris_are_kept_as_they_are(raw: str) -> None:
    assert MPNS.clean_address(raw) == raw


@pytest.mark.threats(2)
@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (HTTP.replace("sn1.notify.live.net", "SN1.Notify.LIVE.net"), HTTP),
        (HTTP.replace("http:", "HTTP:"), HTTP),
        (HTTP.replace(".net/", ".net./"), HTTP),
        (HTTP.replace(".net/", ".net:80/"), HTTP),
        (HTTPS.replace(".net/", ".net:443/"), HTTPS),
    ],
)
def test_what_means_the_same_is_kept_in_one_spelling(raw: str, kept: str) -> None:
    assert MPNS.clean_address(raw) == kept
    assert MPNS.clean_address(kept) == kept


def test_upper_case_in_the_path_is_the_channels_own() -> None:
    assert MPNS.clean_address(HTTP) != MPNS.clean_address(HTTP.lower())


PATH = f"/throttledthirdparty/01.00/{ID}"
HOSTS = [
    *("evil.com", "notify.live.net.evil.com", "evilnotify.live.net", "xnotify.live.net", "notify.live.net.x"),
    *("live.net", "net", "notify.live", "notify.live.nett", "notify-live.net", "notify.live.net-evil.com"),
    *("sn1.notify.live.net..", ".notify.live.net", "sn1..notify.live.net", "-sn1.notify.live.net"),
    "sn1-.notify.live.net",
    *("sn1_x.notify.live.net", "sn1 .notify.live.net", "sn1.notify.live.net evil.com", "sn1.notify.live.net\tx"),
    *("sn1。notify。live。net", "sn1．notify.live.net", "ｓn1.notify.live.net", "sn1.notıfy.live.net"),
    "xn--a.evil.com",
    *("sn1%2enotify.live.net", "evil.com%00.notify.live.net", "evil.com\0.notify.live.net"),
    "evil.com%23.notify.live.net",
    *("evil.com\\.notify.live.net", "evil.com\\@sn1.notify.live.net", "evil.com#@sn1.notify.live.net"),
    *("user@sn1.notify.live.net", "user:pw@sn1.notify.live.net", "sn1.notify.live.net@evil.com"),
    "@sn1.notify.live.net",
    *("sn1.notify.live.net:8080", "sn1.notify.live.net:443", "sn1.notify.live.net:0", "sn1.notify.live.net:080"),
    *("sn1.notify.live.net:", "sn1.notify.live.net:80:80", "sn1.notify.live.net:-80", "sn1.notify.live.net:8 0"),
    *("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0"),
    *("0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::1%25lo]", "127.0.0.1.", "①②⑦.0.0.1", "127.0.0.1:9101", ""),
]  # fmt: skip


@pytest.mark.threats(1, 2, 3, 5)
@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_not_the_services_own_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        MPNS.clean_address(f"http://{host}{PATH}", extra_hosts=EMULATOR)


@pytest.mark.threats(1, 3)
@pytest.mark.parametrize(
    "raw",
    [
        *("", " ", "nonsense", "//sn1.notify.live.net" + PATH, "sn1.notify.live.net" + PATH, "http:" + PATH),
        *(f"ftp://sn1.notify.live.net{PATH}", f"file://sn1.notify.live.net{PATH}", "file:///etc/passwd"),
        *(f"gopher://sn1.notify.live.net{PATH}", "javascript:alert(1)", "data:text/html,x",),
        f"ws{HTTP[4:]}",
        *(f" {HTTP}", f"{HTTP} ", f"{HTTP}\n", f"\t{HTTP}", f"{HTTP}\r\nX-Evil: 1", f"{HTTP}\0"),
        f"http:\n//{HTTP[7:]}",
        *(f"{HTTP}#fragment", f"{HTTP}%2e%2e", f"{HTTP}\\..", f"{HTTP}\u202e", f"{HTTP}é", f"http:/{HTTP[7:]}"),
        *(f"http:///{HTTP[7:]}", f"http:{HTTP[5:].replace('/', chr(92))}", f"{HTTP}?a=%0d%0a", f"{HTTP}?a=<script>"),
        HTTP.replace(ID, ID * 40),
        HTTP.replace("://", ":////"),
    ],
)  # fmt: skip
def test_a_spelling_that_parsers_read_differently_is_refused(raw: str) -> None:
    with pytest.raises(AddressRefused):
        MPNS.clean_address(raw)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/x", "/throttledthirdparty", "/throttledthirdparty/01.00", "/throttledthirdparty/01.00/"),
        *("/throttledthirdparty/x/a", "/throttledthirdparty/01.00/..", "/throttledthirdparty/01.00/a/../b"),
        *("//throttledthirdparty/01.00/a", "/throttledthirdparty//01.00/a", "/throttledthirdparty/01.00/a/b"),
        *("/u/1/bn1", "/u/1//a", "/u/2/bn1/a", "/u/1/bn1/.", "/emulator/reset", "/Throttledthirdparty/01.00/a"),
    ],
)
def test_a_path_that_is_no_channel_is_refused(path: str) -> None:
    with pytest.raises(AddressRefused, match=r"path|usual"):
        MPNS.clean_address(f"http://sn1.notify.live.net{path}")


def test_scheme_and_tier_belong_together() -> None:
    for raw in (HTTP.replace("http:", "https:"), HTTPS.replace("https:", "http:")):
        with pytest.raises(AddressRefused, match="unthrottledthirdparty"):
            MPNS.clean_address(raw)


@pytest.mark.threats(5)
def test_the_emulator_is_let_through_by_its_exact_pair_only() -> None:
    uri = "http://127.0.0.1:9100/throttledthirdparty/01.00/retry-after--1.phone~7"
    assert MPNS.clean_address(uri, extra_hosts=EMULATOR) == uri
    secure = "https://127.0.0.1:9100/unthrottledthirdparty/01.00/ok.phone-7"
    assert MPNS.clean_address(secure, extra_hosts=EMULATOR) == secure
    for other in ("127.0.0.1:9101", "127.0.0.1", "127.0.0.2:9100", "127.0.0.1:09100", "localhost:9100", "127.1:9100"):
        with pytest.raises(AddressRefused):
            MPNS.clean_address(uri.replace("127.0.0.1:9100", other), extra_hosts=EMULATOR)
    with pytest.raises(AddressRefused):
        MPNS.clean_address(uri)


def test_the_refusal_is_a_sentence_that_names_the_word() -> None:
    with pytest.raises(AddressRefused) as refused:
        MPNS.clean_address(f"http://evil.com{PATH}")
    assert str(refused.value) == "“evil.com” is not a host of this push service."
    with pytest.raises(
        AddressRefused, match=rf"^This channel URI has \d+ characters; at most {LONGEST} are accepted\.$"
    ):
        MPNS.clean_address(HTTP + "A" * LONGEST)


@pytest.mark.threats(2, 3)
@given(st.text(max_size=80))
@example("http://sn1.notify.live.net:99999/throttledthirdparty/01.00/a")
@example("http://" + "a." * 120 + "notify.live.net/throttledthirdparty/01.00/a")
def test_whatever_comes_is_refused_or_kept_for_good(raw: str) -> None:
    for spelled in (raw, f"http://{raw}.notify.live.net{PATH}", f"http://sn1.notify.live.net{PATH}{raw}"):
        try:
            kept = MPNS.clean_address(spelled)
        except AddressRefused:
            continue
        assert MPNS.clean_address(kept) == kept
        assert kept.isascii()
        host = kept.partition("://")[2].partition("/")[0]
        assert host.endswith((".notify.live.net", "notify.live.net"))


@pytest.mark.threats(33)
@pytest.mark.parametrize("hostile", ["a.", "-", "a-", ".", "a:", "?", "/", "a/"])
def test_reading_takes_no_longer_for_a_hostile_address(hostile: str) -> None:
    raw = f"http://{hostile * 900}"

    def read() -> None:
        with pytest.raises(AddressRefused):
            MPNS.clean_address(raw)

    assert min(timeit.repeat(read, number=1, repeat=3)) < 0.05
