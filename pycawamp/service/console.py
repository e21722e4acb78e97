"""Resources of the console besides PVs: layouts, names of PVs, and who may write."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.web.resource import IResource

from pycawamp.access import Writers
from pycawamp.config.settings import Settings
from pycawamp.demo.records import GROUPS, RECORDS
from pycawamp.service.gateway import Gateway
from pycawamp.web.answer_page import Answer, AnswerPage
from pycawamp.web.channelfinder import ChannelFinder
from pycawamp.web.layouts import LayoutFolder, LayoutNames, LayoutPage
from pycawamp.web.names import NamePage, NameSources
from pycawamp.web.pv_names import PVNames
from pycawamp.web.request_quotas import RequestQuotas


class ConsolePages(Service):
    """The resources of the console; `names` is the file of PV names."""

    def __init__(
        self, reactor: Any, gateway: Gateway, settings: Settings, names: PVNames | None
    ) -> None:
        self.setName("console")  # type: ignore[no-untyped-call]
        console = settings.console
        in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        self._channelfinder = (
            None if console.channelfinder is None else ChannelFinder(reactor, console.channelfinder)
        )
        sources = NameSources(channelfinder=self._channelfinder)
        answers: dict[str, Answer] = {"names": NamePage(gateway.hub, sources)}
        if names is not None:
            sources.indexes["file"] = lambda: succeed(names.index)
        if console.layouts is not None:
            folder = LayoutFolder(Path(console.layouts))
            sources.indexes["layout"] = LayoutNames(folder, in_thread, reactor).index
            answers["layouts"] = LayoutPage(folder, in_thread)
        self.resources = {path: _page(gateway, answer) for path, answer in answers.items()}
        """The resources by their paths."""

    def stopService(self) -> Deferred[None] | None:
        """Close the connections to ChannelFinder."""
        super().stopService()  # type: ignore[no-untyped-call]
        return None if self._channelfinder is None else self._channelfinder.close()


def _page(gateway: Gateway, answer: Answer) -> IResource:
    return gateway.pages(
        lambda clients, rules: AnswerPage(clients, rules, RequestQuotas(clients.sessions), answer)
    )


def console_configuration(settings: Settings) -> dict[str, Any]:
    """Return the configuration that is sent to the console."""
    return {
        "version": version("pycaserver"),
        "puts": settings.writers is not None,
        "writers": _writers(settings),
        "demo": [*RECORDS.items(), *GROUPS.items()] if settings.demo else [],
        "layouts": settings.console.layouts is not None,
        "names": True,
        "history": settings.gateway.history,
        "archiver": settings.gateway.archiver is not None,
    }


def _writers(settings: Settings) -> str:
    if settings.writers is None:
        return "nobody"
    if settings.access is not None:
        return "rules"
    return "anyone" if settings.writers is Writers.ANYONE else "logged-in"
