"""Both sides of the handshake, against each other."""

from __future__ import annotations

from collections.abc import Callable

import guac
import pytest


def drive(stream: bytes, handle: Callable[[guac.Instruction], object]) -> object:
    """Give each instruction to a machine; the last thing that it says."""
    said = None
    for instruction in guac.parse(stream):
        said = handle(instruction)
    return said


INFO = guac.ClientInfo(width=1280, height=800, dpi=120, timezone="Europe/Berlin", name="Zoë 😀")


def test_both_sides_agree_on_everything_said() -> None:
    client, server = guac.ClientHandshake("ssh"), guac.ServerHandshake()
    assert drive(client.take_output(), server.handle) == guac.Selected("ssh", None)
    server.offer(["hostname", "password"])
    assert drive(server.take_output(), client.handle) == guac.Args(("hostname", "password"))
    client.connect(INFO, {"password": "pä;ss,1.x", "not-offered": "x"})
    connect = drive(client.take_output(), server.handle)
    assert isinstance(connect, guac.Connect)
    assert connect.info == INFO
    assert connect.values == {"hostname": "", "password": "pä;ss,1.x"}
    assert connect.version == "VERSION_1_5_0"
    assert "pä;ss" not in repr(connect)
    server.ready("$here")
    assert drive(server.take_output(), client.handle) == guac.Ready("$here")
    assert client.take_output() == b""


def test_a_session_is_joined_by_its_id() -> None:
    client, server = guac.ClientHandshake("$here"), guac.ServerHandshake()
    assert drive(client.take_output(), server.handle) == guac.Selected(None, "$here")


def test_a_refusal_keeps_its_status() -> None:
    client = guac.ClientHandshake("vnc")
    with pytest.raises(guac.UpstreamError) as caught:
        drive(guac.encode("error", "No such connection.", 516), client.handle)
    assert caught.value.status is guac.Status.RESOURCE_NOT_FOUND


def test_something_out_of_order_is_the_peers_fault_and_a_wrong_call_the_callers() -> None:
    with pytest.raises(guac.PeerError):
        drive(b"4.size,1.1,1.1;", guac.ServerHandshake().handle)
    with pytest.raises(guac.CallerError):
        guac.ServerHandshake().offer([])
    with pytest.raises(guac.CallerError):
        guac.ServerHandshake().ready("no dollar")
    with pytest.raises(guac.CallerError):
        guac.ClientHandshake("$")
