"""One real Label Studio server for the whole test run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ntk_labelqa.demo.seed import SeededProject, known_truth, seed_digits
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.labelstudio.connect import connect
from ntk_labelqa.labelstudio.reading.pull import pull_project

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """A running server; stopped, and its folder removed, when the tests are over."""
    with LocalServer() as running:
        yield running


@pytest.fixture(scope="session")
def client(server: LocalServer) -> LabelStudio:
    """The SDK's client with the owner's token."""
    return connect(server.url, server.token)


@pytest.fixture(scope="module")
def digits_project(client: LabelStudio, server: LocalServer) -> SeededProject:
    """200 digit images with planted wrong labels, fresh for each test module."""
    return known_truth(pull_project(client, seed_digits(client, server, items=200)))
