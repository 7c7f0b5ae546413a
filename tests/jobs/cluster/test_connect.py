"""Where RAY_ADDRESS leads: to this machine, to a head, or to a message within seconds."""

import logging
import socket
import time
from collections.abc import Iterator

import pytest
from ray._private.authentication import authentication_token_setup

from jobs.cluster.connect import TOKEN_SETUP, quiet_ray
from jobs.cluster.head import cluster_of, resolve_address
from schemas.errors import BadInput
from tests.made.servers.s3 import free_port, serve_denials

TOLD_WITHIN_S = 20.0


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def refusal(address: str) -> str:
    begun = time.monotonic()
    with pytest.raises(BadInput) as refused:
        cluster_of(address)
    assert time.monotonic() - begun < TOLD_WITHIN_S
    assert address in refused.value.where
    return refused.value.got


@pytest.mark.parametrize("value", [None, "", " ", "local"])
def test_without_an_address_this_machine_works_alone(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if value is not None:
        monkeypatch.setenv("RAY_ADDRESS", value)
    assert resolve_address() == "local"


def test_a_dead_heads_address_is_told_within_20_s() -> None:
    assert "connection refused" in refusal(f"127.0.0.1:{free_port()}")


def test_an_address_that_never_answers_is_told_within_20_s(silent: str) -> None:
    assert "no answer" in refusal(silent)


def test_a_server_of_another_kind_is_no_head() -> None:
    with serve_denials() as endpoint:
        assert "another kind" in refusal(endpoint.removeprefix("http://"))


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "ray://host:10001", "host", "a:b"])
def test_an_address_that_no_driver_can_join_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(BadInput) as refused:
        resolve_address()
    assert refused.value.got == address


def test_that_ray_asks_for_a_token_is_not_told_and_that_it_does_not_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    quiet_ray()
    logger = logging.getLogger(TOKEN_SETUP)
    logger.addHandler(caplog.handler)  # whatever Ray has done about propagation
    authentication_token_setup._warn_token_auth_enabled()
    authentication_token_setup._warn_token_auth_disabled()
    logger.removeHandler(caplog.handler)
    told = {record.getMessage().split(".")[0] for record in caplog.records}
    assert told == {"Token authentication is disabled for this Ray cluster"}
