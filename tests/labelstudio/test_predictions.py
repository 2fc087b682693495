"""Predictions of an audit on the source tasks: one each, however often the server is sent them."""

from __future__ import annotations

import httpx
import pytest

from ntk_labelqa.errors import PartialDeliveryError
from ntk_labelqa.labelstudio.review.predictions import TAB, push_predictions
from tests.labelstudio.studio import Studio, connected


def test_what_a_proxy_sends_twice_is_there_once(studio, audit) -> None:
    def twice(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            studio(request)
        return studio(request)

    with connected(twice) as client:
        assert push_predictions(client, audit, studio.source) == 4
    assert sorted(one["task"] for one in studio.predictions.values()) == sorted(audit.findings["task_id"])
    assert [view["data"]["title"] for view in studio.views.values()] == [TAB]


def test_a_tab_that_somebody_has_changed_since_stays(studio, client, audit) -> None:
    push_predictions(client, audit, studio.source)
    (first,) = studio.views.values()
    studio.views[first["id"] + 1000] = {**first, "id": first["id"] + 1000, "data": first["data"] | {"ordering": []}}
    push_predictions(client, audit, studio.source)
    assert len(studio.views) == 2


def test_what_the_server_drops_without_a_word_is_counted(studio: Studio, client, audit) -> None:
    def dropping(name: str, right: httpx.Response) -> httpx.Response:
        if name == "import predictions":
            studio.predictions.popitem()
        return right

    studio.change = dropping
    with pytest.raises(PartialDeliveryError, match="took 3 of 4 predictions"):
        push_predictions(client, audit, studio.source)
