"""Signed links: a browser shows pictures and saves downloads without a token."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from backend.accounts.signing import PICTURE_SECONDS
from tests.backend.accounts.site import Site, a_picture, told
from tests.conftest import MovableClock


def test_a_picture_s_link_needs_no_token(site: Site) -> None:
    path = a_picture(site)
    answer = site.nobody.get(path)
    assert answer.status_code != 401
    assert site.nobody.get(path.split("?")[0]).status_code == 401


def test_the_same_picture_has_the_same_link_for_hours(site: Site, clock: MovableClock) -> None:
    site.sue = site.log_in("sue")
    path = a_picture(site)
    clock.advance(PICTURE_SECONDS / 4)
    assert a_picture(site) == path


def test_a_picture_s_link_is_over_after_a_day(site: Site, clock: MovableClock) -> None:
    site.sue = site.log_in("sue")
    path = a_picture(site)
    clock.advance(PICTURE_SECONDS)
    assert site.nobody.get(path).status_code != 401
    clock.advance(PICTURE_SECONDS)
    told(site.nobody.get(path), 401, "This link is over or was changed")


def test_a_changed_link_opens_nothing(site: Site) -> None:
    path = a_picture(site)
    mangled = [
        path.replace("/thumbnail", "/preview"),
        path.replace("expires=", "expires=9"),
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path + "&signature=0",
        path.replace("signature=", "user=x&signature="),
        path.split("?")[0] + "?signature=",
        path.split("?")[0] + "?signature=%ff%00",
        path.replace(path.split("/")[3], "0" * 64),
    ]
    for one in mangled:
        assert site.nobody.get(one).status_code == 401, one
    assert site.nobody.post(path).status_code in {401, 405}


def test_a_download_s_link_permits_what_its_user_may_while_he_may(site: Site) -> None:
    def link(client: TestClient, path: str) -> str:
        return str(client.post("/v1/links", json={"path": path}).json()["path"])

    lines = link(site.mia, "/v1/catalogue/export.jsonl?filters=category%3Dtee&user=x&role=admin")
    assert site.nobody.get(lines).status_code == 200
    assert site.nobody.get(lines.replace("tee", "hat")).status_code == 401
    told(site.nobody.get(link(site.mia, "/v1/audit.csv")), 403, "needs the role admin")
    audit = link(site.ann, "/v1/audit.csv")
    assert site.nobody.get(audit).status_code == 200
    assert site.nobody.get(audit.replace("audit.csv", "users")).status_code == 401
    site.ann.patch("/v1/users/mia", json={"disabled": True})
    told(site.nobody.get(lines), 401, "may no longer come in")


def test_a_download_s_link_is_over_after_an_hour(site: Site, clock: MovableClock) -> None:
    ann = site.log_in("ann")
    path = ann.post("/v1/links", json={"path": "/v1/audit.csv"}).json()["path"]
    clock.advance(3599)
    assert site.nobody.get(path).status_code == 200
    clock.advance(1)
    assert site.nobody.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/v1/users", "/v1/keys", "/v1/pictures/x", "/v1/audit.csvx"])
def test_only_downloads_get_links(site: Site, path: str) -> None:
    told(site.ann.post("/v1/links", json={"path": path}), 422, "is no download")


def test_a_replica_takes_the_links_of_another(site: Site) -> None:
    path = a_picture(site)
    runtime = site.runtime
    runtime.guard = type(runtime.guard)(runtime.settings, runtime.database)
    assert site.nobody.get(path).status_code != 401
