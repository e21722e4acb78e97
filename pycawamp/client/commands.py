"""The commands of the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults

from pycawamp.client import jsonlines, show
from pycawamp.client.arguments import Arguments
from pycawamp.client.client import GatewayClient
from pycawamp.client.connection import State
from pycawamp.client.console import Console
from pycawamp.client.monitor import MonitorCommand
from pycawamp.client.putting import value_to_put
from pycawamp.client.values import GatewayError, Update
from pycawamp.pv.values import Metadata

Command: TypeAlias = "Callable[[Run], Coroutine[Deferred[Any], Any, int]]"


class Run:
    """An execution of the command line."""

    def __init__(self, reactor: Any, arguments: Arguments, console: Console) -> None:
        self.reactor = reactor
        self.arguments = arguments
        self.console = console
        self._was_open = False
        self.client = GatewayClient(reactor, arguments.target, on_state=self._changed)

    async def execute(self) -> int:
        """Execute the command, and return the exit status."""
        timeout = self.arguments.timeout
        try:
            await self.client.when_open().addTimeout(timeout, self.reactor, self._too_late)
            return await _COMMANDS[self.arguments.command](self)
        except GatewayError as error:
            self.console.complain(error.message)
            return 1
        except CancelledError:
            return 1
        finally:
            await self.client.close()

    def _too_late(self, _result: object, timeout: float) -> None:
        where = self.arguments.target.url
        raise GatewayError("timeout", f"cannot reach {where}: no answer within {timeout:g} s")

    def _changed(self, client: GatewayClient) -> None:
        was_open, self._was_open = self._was_open, client.state is State.OPEN
        # Only for monitor: other commands fail with their own errors.
        if was_open and client.state is State.WAITING and self.arguments.command == "monitor":
            self.console.complain(f"{client.problem}; reconnecting")


async def _monitor(run: Run) -> int:
    monitor = MonitorCommand(run.reactor, run.arguments, run.console)
    monitor.start(run.client)
    # Ctrl-C is the usual end.
    with contextlib.suppress(CancelledError):
        await monitor.done
    return monitor.status


async def _get(run: Run) -> int:
    arguments = run.arguments

    async def one(name: str) -> str:
        if arguments.json:
            update = await run.client.get(name, text=True, timeout=arguments.timeout)
            return jsonlines.update("value", update)
        update, metadata = await _read(run, name)
        return _shown(update, metadata, arguments)

    return await _each(run, one)


async def _info(run: Run) -> int:
    describe = jsonlines.metadata if run.arguments.json else show.description

    async def one(name: str) -> str:
        metadata = await run.client.info(name, timeout=run.arguments.timeout)
        return describe(name, metadata)

    return await _each(run, one)


async def _put(run: Run) -> int:
    async def one(name: str) -> str:
        return await _put_one(run, name)

    return await _each(run, one)


async def _put_one(run: Run, name: str) -> str:
    """Write, and return the new value; the old one is printed even if the write fails."""
    arguments, client = _showing_text(run.arguments), run.client
    old, metadata = await _read(run, name, arguments.json)
    value = value_to_put(arguments.values, metadata, arguments.array, arguments.style.numbers)
    if not (arguments.json or arguments.terse):
        run.console.line(f"Old : {_shown(old, metadata, arguments)}")
    await client.put(name, value, wait=arguments.wait, timeout=arguments.timeout)
    new = await client.get(name, text=arguments.json, timeout=arguments.timeout)
    if arguments.json:
        return jsonlines.written(name, old, new)
    line = _shown(new, metadata, arguments)
    return line if arguments.terse else f"New : {line}"


def _showing_text(arguments: Arguments) -> Arguments:
    # Show a value as text if it was written as text.
    style = attrs.evolve(arguments.style, long_strings=not arguments.array)
    return attrs.evolve(arguments, style=style)


async def _each(run: Run, one: Callable[[str], Coroutine[Deferred[Any], Any, str]]) -> int:
    """Run for all PVs at once, print results in order, and return the exit status."""
    status = 0
    under_way = [(name, Deferred.fromCoroutine(one(name))) for name in run.arguments.names]
    for name, answer in under_way:
        try:
            run.console.line(await answer)
        except GatewayError as error:
            run.console.complain_of(name, error)
            status = 1
    return 1 if run.console.failed else status


async def _read(run: Run, name: str, text: bool = False) -> tuple[Update, Metadata]:
    client, timeout = run.client, run.arguments.timeout
    requests: list[Deferred[Any]] = [
        client.get(name, text=text, timeout=timeout),
        client.info(name, timeout=timeout),
    ]
    both: Deferred[Any] = gatherResults(requests, consumeErrors=True)
    try:
        update, metadata = await both
    except FirstError as error:
        error.subFailure.raiseException()
    return update, metadata


def _shown(update: Update, metadata: Metadata, arguments: Arguments) -> str:
    if arguments.wide:
        return show.wide_line(update, metadata, arguments.style)
    if arguments.terse:
        return show.value_text(update, metadata, arguments.style)
    return show.short_line(update, metadata, arguments.style)


_COMMANDS: dict[str, Command] = {"monitor": _monitor, "get": _get, "put": _put, "info": _info}
