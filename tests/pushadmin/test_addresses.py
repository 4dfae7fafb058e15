"""Addresses that nobody's browser makes: a sentence or the plain list, never an error of the server."""

from __future__ import annotations

from itertools import product

import pytest
from django.test import Client

LISTS = (
    *("/campaigns/campaign/", "/devices/segment/", "/devices/app/", "/devices/device/"),
    *("/auth/user/", "/auth/group/"),
)
QUERIES = (
    *("q=%00", "name=%00", "%00=1", "status=%00", "status__exact=%00", "service=%00", "is_active__exact=%00"),
    *("app=%00", "app__id__exact=%00", "app__id__exact=99999999999999999999", "o=%00", "p=%00", "_facets=%00"),
)


@pytest.mark.parametrize(("path", "query"), list(product(LISTS, QUERIES)))
def test_a_list_is_shown_whatever_is_asked_for(admin_client: Client, path: str, query: str) -> None:
    assert admin_client.get(f"{path}?{query}", follow=True).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/campaigns/campaign/%00/change/", "/campaigns/campaign/99999999999999999999999/change/"),
        *("/campaigns/campaign/99999999999999999999999/confirm/", "/devices/device/%00/change/"),
        *("/devices/app/%00/change/", "/auth/user/%00/change/"),
        *("/campaigns/campaign/add/?app=%00", "/campaigns/campaign/reach/?segment=%00&app=%00"),
        "/campaigns/campaign/reach/?segment=999999999999999999999&app=9",
    ],
)
def test_a_page_is_shown_or_not_found(admin_client: Client, path: str) -> None:
    assert admin_client.get(path, follow=True).status_code in {200, 400, 404}
