"""All clients that get one PV in one encoding."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from pycawamp.fanout.cohort import Cohort, Cohorts
from pycawamp.fanout.content import Content
from pycawamp.fanout.framebuffer import FrameBuffer
from pycawamp.fanout.framing import Framing
from pycawamp.fanout.outbox import Outbox
from pycawamp.fanout.packing import packing_for
from pycawamp.pv.hub import PV
from pycawamp.pv.interfaces import DirectStream
from pycawamp.pv.values import LARGE, Metadata, Reading
from pycawamp.wire.dialect import Encoding


@attrs.frozen
class StreamKey:
    """What the clients of a stream have in common."""

    encoding: Encoding
    framing: Framing


class EncodedStream:
    """All clients that get one PV in one encoding; tells them of its changes."""

    __slots__ = (
        "_cohort",
        "_cohorts",
        "_described",
        "_frame",
        "_frame_of",
        "_pv",
        "_wrap_update",
        "content",
        "key",
        "renderer",
    )

    def __init__(self, pv: PV, key: StreamKey, content: Content, cohorts: Cohorts) -> None:
        self.key = key
        self.content = content
        self.renderer = content.renderer
        self._pv = pv
        self._cohorts = cohorts
        self._cohort = cohorts.enter(packing_for(key.framing, key.encoding.batch))
        self._wrap_update = self._cohort.packing.wrap
        self._frame = b""
        self._frame_of: Reading | None = None
        self._described = pv.described
        if pv.described is not None:
            self._prepare()

    @property
    def name(self) -> str:
        """The PV's name, as the clients asked for it."""
        return self.renderer.name

    @property
    def encoding(self) -> Encoding:
        """How its clients want their messages."""
        return self.key.encoding

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
        self._move(self._cohorts.join(self._cohort, outbox))
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
        self._move(self._cohorts.leave(self._cohort, outbox))
        outbox.forget(self)

    def close(self) -> None:
        """Let the last cohort go."""
        self._cohorts.drop(self._cohort)
        self._pv.reroute()

    def direct_stream(self) -> DirectStream | None:
        """Return how updates can be made without `reading`; None if they cannot."""
        cohort, framing = self._cohort, self.key.framing
        template, wrap = self.renderer.template(), cohort.packing.wrap
        is_framed = wrap is framing.text and framing.is_websocket
        # In a batch, a message is wrapped as it is.
        is_writable = is_framed or wrap is bytes
        if template is None or not is_writable or isinstance(cohort.buffer, FrameBuffer):
            return None
        return DirectStream(
            cohort,
            cohort.buffer,
            self,
            self._cohorts.touch,
            is_framed,
            template.before_value,
            template.before_time,
            template.after_time,
            template.after_alarm,
            template.has_alarm,
        )

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
            frame = self._wrap_update(self.content.newest(latest))
            # Kept: many slow clients catch up with the same value. Not once more, if it is large.
            if len(frame) <= LARGE:
                self._frame, self._frame_of = frame, latest
        self._cohort.packing.deliver(outbox, frame)

    def metadata(self, metadata: Metadata) -> None:
        """Take note of new metadata, and tell it, or the newest value anew, as far as it shows."""
        before, self._described = self._described, metadata
        self._prepare()
        # Otherwise the connection that comes or ends is told next, and the metadata after it.
        if self._pv.connected is metadata.read_access:
            for message in self.renderer.described(metadata):
                self._announce(message)
        latest, shown = self._pv.latest, self.renderer.shown
        if latest is not None and before is not None and shown(before) != shown(metadata):
            self.reading(latest)

    def connection(self) -> None:
        """Tell the clients that the PV was connected or lost."""
        for message in self._announcement():
            self._announce(message)

    def reading(self, reading: Reading) -> None:
        """Have an update rendered, once for all clients."""
        self._cohort.append(self, self._wrap_update(self.content.update(reading)))

    def _prepare(self) -> None:
        self._frame_of = None
        framing = self.key.framing
        if self.renderer.is_binary:
            # What is not JSON has no place in a JSON array.
            packing = packing_for(framing, batch=False)
            self._wrap_update = framing.binary
        else:
            packing = packing_for(framing, self.key.encoding.batch)
            self._wrap_update = packing.wrap
        self._move(self._cohorts.repack(self._cohort, packing))

    def _move(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self._pv.reroute()

    def _announce(self, message: bytes) -> None:
        self._cohort.announce(self, self._cohort.packing.wrap(message))

    def _announcement(self) -> Sequence[bytes]:
        """The messages that come before a value, or in its place."""
        pv = self._pv
        messages = self.renderer.connection(bool(pv.connected), pv.described)
        return messages if pv.refusal is None else (*messages, *self.renderer.refused(pv.refusal))
