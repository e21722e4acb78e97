"""All clients that get one PV in one encoding."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from pycawamp.fanout.cohort import Cohorts
from pycawamp.fanout.outbox import Outbox
from pycawamp.fanout.packing import BATCH, FRAMES
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.hub import PV
from pycawamp.pv.values import LARGE, Metadata, Reading
from pycawamp.wire.frames import binary_frame
from pycawamp.wire.v2 import replies
from pycawamp.wire.v2.encoding import Encoding
from pycawamp.wire.v2.updates import Render, is_binary, renderer


class Content:
    """One PV's updates, rendered with one set of options: once each, whoever asks."""

    __slots__ = ("_budget", "_clock", "_kept", "_of", "_payload", "_render", "encoding", "name")

    def __init__(
        self, name: str, encoding: Encoding, clock: IReactorTime, budget: MemoryBudget
    ) -> None:
        self.name = name
        self._clock = clock
        self._budget = budget
        self._kept = 0
        self.encoding = encoding
        self._render: Render = _unrendered
        self._of: Reading | None = None
        self._payload = b""

    def metadata(self, metadata: Metadata) -> None:
        """Take what does not change with each update into the template."""
        self.forget()
        render = renderer(self.name, metadata, self.encoding)
        self._render = self._counting(render) if metadata.is_large else render

    def payload(self, reading: Reading) -> bytes:
        """The update as JSON, or as the payload of a binary frame."""
        if reading is not self._of:
            self._payload = self._render(reading)
            self._of = reading
        return self._payload

    def forget(self) -> None:
        """Keep nothing rendered."""
        self._of = None
        self._payload = b""
        self._budget.rendered -= self._kept
        self._kept = 0

    def _counting(self, render: Render) -> Render:
        def counted(reading: Reading) -> bytes:
            payload = render(reading)
            self._budget.rendered += len(payload) - self._kept
            self._kept = len(payload)
            if not self._budget.has_room(0):
                # It is rendered anew for each client that catches up: slow, but it has to be.
                self._clock.callLater(0, self.forget)
            return payload

        return counted


def _unrendered(_reading: Reading) -> bytes:
    raise AssertionError("a reading came before its metadata")


class EncodedStream:
    """All clients that get one PV in one encoding; tells them of its changes."""

    __slots__ = (
        "_cohort",
        "_cohorts",
        "_frame",
        "_frame_of",
        "_pv",
        "_wrap_update",
        "content",
        "encoding",
    )

    def __init__(self, pv: PV, encoding: Encoding, content: Content, cohorts: Cohorts) -> None:
        self.encoding = encoding
        self.content = content
        self._pv = pv
        self._cohorts = cohorts
        self._cohort = cohorts.enter(BATCH if encoding.batch else FRAMES)
        self._wrap_update = self._cohort.packing.wrap
        self._frame = b""
        self._frame_of: Reading | None = None
        if pv.described is not None:
            self._prepare(pv.described)

    @property
    def name(self) -> str:
        """The PV's name, as the clients asked for it."""
        return self.content.name

    @property
    def pv(self) -> PV:
        """The PV itself."""
        return self._pv

    @property
    def members(self) -> list[Outbox]:
        """The clients."""
        return self._cohort.members

    @property
    def is_empty(self) -> bool:
        """Whether no client is left."""
        return not self._cohort.members

    def join(self, outbox: Outbox) -> None:
        """Have a client get the present state, and every change from now on."""
        self._cohort = self._cohorts.join(self._cohort, outbox)
        if self._pv.connected is None:
            return
        if outbox.paused:
            outbox.mark_stale([self], [self])
            return
        try:
            self.catch_up(outbox)
        except Exception:
            self.leave(outbox)
            raise

    def leave(self, outbox: Outbox) -> None:
        """Have a client get nothing more."""
        self._cohort = self._cohorts.leave(self._cohort, outbox)
        outbox.forget(self)

    def close(self) -> None:
        """Let the last cohort go."""
        self._cohorts.drop(self._cohort)

    def catch_up(self, outbox: Outbox) -> None:
        """Tell a client the whole present state: the connection, and the newest value."""
        for message in self._announcement():
            self.tell(outbox, message)
        self.send_newest(outbox)

    def tell(self, outbox: Outbox, message: bytes) -> None:
        """Tell a client something that is not a value."""
        packing = self._cohort.packing
        packing.deliver(outbox, packing.wrap(message))

    def send_newest(self, outbox: Outbox) -> None:
        """Tell a client the newest value, if there is one."""
        latest = self._pv.latest
        if latest is None:
            return
        frame = self._frame
        if latest is not self._frame_of:
            frame = self._wrap_update(self.content.payload(latest))
            # Kept: many slow clients catch up with the same value. Not once more, if it is large.
            if len(frame) <= LARGE:
                self._frame, self._frame_of = frame, latest
        self._cohort.packing.deliver(outbox, frame)

    def metadata(self, metadata: Metadata) -> None:
        """Take note of new metadata, and tell those who asked for it."""
        self._prepare(metadata)
        # Otherwise the connection that comes or ends is told next, and the metadata after it.
        if self.encoding.metadata and self._pv.connected is metadata.read_access:
            self._announce(replies.metadata(self.name, metadata, self.encoding.writable))

    def connection(self) -> None:
        """Tell the clients that the PV was connected or lost."""
        for message in self._announcement():
            self._announce(message)

    def reading(self, reading: Reading) -> None:
        """Have an update rendered, once for all clients."""
        self._cohort.append(self, self._wrap_update(self.content.payload(reading)))

    def _prepare(self, metadata: Metadata) -> None:
        packing = BATCH if self.encoding.batch else FRAMES
        self._wrap_update = packing.wrap
        self._frame_of = None
        if is_binary(metadata, self.encoding):
            # What is not JSON has no place in a JSON array.
            packing, self._wrap_update = FRAMES, binary_frame
        self._cohort = self._cohorts.repack(self._cohort, packing)

    def _announce(self, message: bytes) -> None:
        self._cohort.announce(self, self._cohort.packing.wrap(message))

    def _announcement(self) -> list[bytes]:
        """The messages that come before a value: the connection, and then the metadata."""
        described = self._pv.described
        messages = [replies.connection(self.name, bool(self._pv.connected))]
        if self.encoding.metadata and described is not None:
            # Of a lost PV it would be old news; that it may not be read is news.
            if self._pv.connected or not described.read_access:
                messages.append(replies.metadata(self.name, described, self.encoding.writable))
        return messages
