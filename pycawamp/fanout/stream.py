"""Encoded streams: a PV in one encoding."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from functools import lru_cache
from time import time

import attrs

from pycawamp.fanout.cohort import BufferedCohort, Cohort, Cohorts
from pycawamp.fanout.content import Content
from pycawamp.fanout.framing import Framing
from pycawamp.fanout.outbox import Outbox
from pycawamp.fanout.packing import Packing, packing_for
from pycawamp.pv.history import Past
from pycawamp.pv.interfaces import PVState
from pycawamp.pv.reason import reason
from pycawamp.pv.routes import DirectStream
from pycawamp.pv.values import LARGE, Metadata, Reading
from pycawamp.wire.dialect import Encoding


@attrs.frozen
class StreamKey:
    """The encoding and framing of a stream."""

    encoding: Encoding
    framing: Framing
    content: Hashable = attrs.field(init=False, eq=False)
    """The part of the key that streams with the same message payloads share."""

    @content.default
    def _content(self) -> Hashable:
        encoding = self.encoding
        if encoding.dialect.is_incremental:
            return encoding, self.framing
        return encoding.content


stream_key = lru_cache(maxsize=256)(StreamKey)
"""Returns a key; equal ones are shared, because most streams are of a few kinds."""


class EncodedStream:
    """A PV in one encoding, for all clients that use it."""

    __slots__ = (
        "_announced",
        "_cohort",
        "_cohorts",
        "_described",
        "_frame",
        "_frame_of",
        "_pv",
        "_wrap_update",
        "content",
        "is_light",
        "key",
        "renderer",
    )

    def __init__(self, pv: PVState, key: StreamKey, content: Content, cohorts: Cohorts) -> None:
        self.key = key
        self.content = content
        self.renderer = content.renderer
        self._pv = pv
        self._cohorts = cohorts
        self._cohort = cohorts.enter(packing_for(key.framing, key.encoding.batch))
        self._wrap_update = self._cohort.packing.wrap
        self._frame = b""
        self._frame_of: Reading | None = None
        # The frames that precede the newest value, while the PV is connected.
        self._announced: bytes | None = None
        self.is_light = False
        """Whether its PV is connected, and the memory budget does not count its values."""
        self._described = pv.described
        if pv.described is not None:
            self._prepare()

    @property
    def name(self) -> str:
        """The PV's name, as requested by the clients."""
        return self.renderer.name

    @property
    def encoding(self) -> Encoding:
        """The form of its messages."""
        return self.key.encoding

    @property
    def pv(self) -> PVState:
        """The PV."""
        return self._pv

    @property
    def rate(self) -> float | None:
        """Maximum updates per second that it sends; None: all."""
        return None

    @property
    def is_prompt(self) -> bool:
        """Whether updates are sent without a pause."""
        return True

    @property
    def members(self) -> list[Outbox]:
        """The clients."""
        return self._cohort.members

    @property
    def is_empty(self) -> bool:
        """Whether there are no clients."""
        return not self._cohort.members

    def join(self, outbox: Outbox, past: Past | None = None) -> None:
        """Add a client: send it the history and the current state, then every update.

        Args:
            outbox: The client's outbox.
            past: How much of the history; None: nothing.
        """
        self._move(self._cohorts.join(self._cohort, outbox))
        if self._pv.connected is None:
            return
        if outbox.paused:
            outbox.mark_stale([self], [self])
            if past is not None:
                outbox.add_history(self, past)
            return
        try:
            self.catch_up(outbox, past)
        except Exception:
            self.leave(outbox)
            raise

    def leave(self, outbox: Outbox) -> None:
        """Remove a client."""
        self._move(self._cohorts.leave(self._cohort, outbox))
        outbox.forget(self)

    def close(self) -> None:
        """Release the cohort."""
        self._cohorts.drop(self._cohort)

    def direct_streams(self) -> list[DirectStream] | None:
        """Return how to write updates without `reading`; None if that is not possible."""
        cohort, framing = self._cohort, self.key.framing
        template, wrap = self.renderer.template(), cohort.packing.wrap
        is_framed = wrap is framing.text and framing.is_rfc6455
        # In a batch, messages have no frames of their own.
        is_writable = is_framed or wrap is bytes
        if template is None or not is_writable or not isinstance(cohort, BufferedCohort):
            return None
        touch = self._cohorts.touch
        made = (cohort, cohort.buffer, self, touch, is_framed, template.parts, template.severity)
        return [DirectStream(*made)]

    def catch_up(self, outbox: Outbox, past: Past | None = None) -> None:
        """Send a client the current state: connection, metadata, history, newest value."""
        announced = self._announced_frames()
        if announced:
            self._cohort.packing.deliver(outbox, announced)
        if past is not None:
            self._send_past(outbox, past)
        self.send_newest(outbox)

    def send(self, outbox: Outbox, message: bytes) -> None:
        """Send a client a message that is not an update."""
        packing = self._cohort.packing
        packing.deliver(outbox, packing.wrap(message))

    def send_newest(self, outbox: Outbox) -> None:
        """Send a client the newest value, if there is one."""
        frame = self._newest_frame()
        if frame is not None:
            self._cohort.packing.deliver(outbox, frame)

    def _send_past(self, outbox: Outbox, past: Past) -> None:
        """Send a client the history, without the newest value."""
        samples = self._pv.past(time() - past.seconds)
        message = self.renderer.history(samples.thinned(past.points)) if len(samples) else None
        if message is not None:
            self.send(outbox, message)

    def metadata(self, metadata: Metadata) -> None:
        """Send changed metadata, and the newest value again if it shows the change."""
        before, self._described = self._described, metadata
        self._announced = None
        self._prepare()
        # Otherwise, a connection or disconnect follows, with the metadata.
        if self._pv.connected is metadata.read_access:
            for message in self.renderer.described(metadata):
                self._announce(message)
        latest, shown = self._pv.latest, self.renderer.shown
        if latest is not None and before is not None and shown(before) != shown(metadata):
            self.reading(latest)

    def connection(self) -> None:
        """Send that the PV has connected or disconnected."""
        self._announced = None
        self._weigh()
        for message in self._announcement():
            self._announce(message)

    def reading(self, reading: Reading) -> None:
        """Render an update, once for all clients."""
        self._cohort.append(self, self._wrap_update(self.content.update(reading)))

    def _newest_frame(self) -> bytes | None:
        """Return the frame of the newest value, if there is one."""
        latest = self._pv.latest
        if latest is None:
            return None
        if latest is self._frame_of:
            return self._frame
        frame = self._wrap_update(self.content.newest(latest))
        # Many slow clients catch up with the same value. A large one is not kept twice.
        if len(frame) <= LARGE:
            self._frame, self._frame_of = frame, latest
        return frame

    def _announced_frames(self) -> bytes:
        """Return the frames that precede the newest value."""
        announced = self._announced
        if announced is None:
            packing = self._cohort.packing
            announced = packing.joint.join(map(packing.wrap, self._announcement()))
            if self._pv.connected:
                self._announced = announced
        return announced

    def _prepare(self) -> None:
        self._weigh()
        self._frame_of = None
        framing = self.key.framing
        if self.renderer.is_binary:
            # Binary messages cannot be part of a JSON array.
            packing = packing_for(framing, batch=False)
            self._wrap_update = framing.binary
        else:
            packing = packing_for(framing, self.key.encoding.batch)
            self._wrap_update = packing.wrap
        self._cohort = self._cohorts.repack(self._cohort, packing)
        self._pv.reroute()

    def _weigh(self) -> None:
        pv, described = self._pv, self._pv.described
        is_small = described is not None and not described.is_large
        self.is_light = is_small and pv.connected is not None and not pv.is_overloaded

    def _move(self, cohort: Cohort) -> None:
        if cohort is not self._cohort:
            self._cohort = cohort
            self._pv.redirect(self, cohort)

    def _announce(self, message: bytes) -> None:
        self._cohort.announce(self, self._cohort.packing.wrap(message))

    def _announcement(self) -> Sequence[bytes]:
        """Return the messages that precede an update, or replace it."""
        pv = self._pv
        why = reason(pv) if self.encoding.reason else None
        if why is None:
            messages = self.renderer.connection(bool(pv.connected), pv.described)
        else:
            messages = self.renderer.disconnected(why, pv.described)
        return messages if pv.refusal is None else (*messages, *self.renderer.refused(pv.refusal))


def join_together(streams: Collection[EncodedStream], outbox: Outbox) -> None:
    """Add a client to streams of connected PVs.

    The effect is that of `EncodedStream.join` for each, but streams with the same clients move to
    another cohort in one step. If a state cannot be encoded, nothing has changed.
    """
    cohorts: dict[Cohort, list[EncodedStream]] = {}
    for stream in streams:
        cohorts.setdefault(stream._cohort, []).append(stream)
    states = [] if outbox.paused else _states(streams)
    for cohort, members in cohorts.items():
        successor = stream._cohorts.join(cohort, outbox, len(members))
        if successor is not cohort:
            for stream in members:
                stream._move(successor)
    if outbox.paused:
        outbox.mark_stale(list(streams), streams)
    for packing, frames in states:
        if frames:
            packing.deliver(outbox, packing.joint.join(frames))


def _states(streams: Iterable[EncodedStream]) -> list[tuple[Packing, list[bytes]]]:
    """Return the frames with the states of streams in order, by packing."""
    states: list[tuple[Packing, list[bytes]]] = []
    last: Packing | None = None
    for stream in streams:
        packing = stream._cohort.packing
        if packing is not last:
            last, frames = packing, list[bytes]()
            states.append((packing, frames))
        announced, newest = stream._announced_frames(), stream._newest_frame()
        if announced:
            frames.append(announced)
        if newest is not None:
            frames.append(newest)
    return states
