"""The client for asyncio, which has the names of the blocking one."""

from __future__ import annotations

import asyncio
import inspect

import guac
import pytest
from guac import aio
from servers import ADMIN_PASSWORD, Daemon, Desktop, Sshd


def test_both_faces_have_the_same_methods_and_parameters() -> None:
    def face(kind: type) -> dict[str, list[str]]:
        public = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
        methods = {name: member for name, member in public.items() if inspect.isfunction(member)}
        return {name: list(inspect.signature(method).parameters) for name, method in methods.items()}

    assert face(guac.Session) == face(aio.AsyncSession)
    for name in ("connect", "connect_gateway"):
        blocking, awaited = (inspect.signature(getattr(module, name)).parameters for module in (guac, aio))
        assert blocking == awaited


def test_two_sessions_at_once(daemon: Daemon, sshd: Sshd, desktop: Desktop) -> None:
    async def shell() -> str:
        async with aio.connect("ssh", {**sshd.params, "command": "sh"}, port=daemon.port) as session:
            await session.wait_until_still(0.2)
            await session.type("printf '\\033]0;made %s\\007' $((6 * 7))\n")
            return await session.wait_for_title("made")

    async def desk() -> tuple[int, int]:
        async with aio.connect("vnc", desktop.params, port=daemon.port, width=1280, height=800) as session:
            await session.wait_until_still(0.2)
            await session.click(5, 5)
            return (await session.screenshot()).size

    async def both() -> tuple[str, tuple[int, int]]:
        title, size = await asyncio.gather(shell(), desk())
        return title, size

    assert asyncio.run(both()) == ("made 42", (1280, 800))


def test_the_loop_runs_while_a_task_waits_and_a_wait_can_be_cancelled(daemon: Daemon, desktop: Desktop) -> None:
    async def main() -> None:
        session = await aio.connect("vnc", desktop.params, port=daemon.port, width=1280, height=800)
        waiting = asyncio.create_task(session.wait_for_title("never", timeout=600))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await session.screenshot()).size == (1280, 800)
        await session.close()
        await session.close()
        assert not session.open

    asyncio.run(main())


def test_errors_are_the_same_and_a_gateway_is_reached(daemon: Daemon) -> None:
    async def main() -> None:
        with pytest.raises(guac.UpstreamError):
            await aio.connect_gateway(daemon.url, "desk", username="admin", password="wrong")
        async with aio.connect_gateway(daemon.url, "shell", username="admin", password=ADMIN_PASSWORD) as session:
            with pytest.raises(guac.WaitTimeout):
                await session.wait_for_title("never", timeout=0.05)

    asyncio.run(main())
