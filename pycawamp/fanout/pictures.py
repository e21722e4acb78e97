"""Images of PVs as JPEG, compressed once for all clients with the same option."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv.history import Samples
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import ISubscriber, PVState
from pycawamp.pv.pv import PV
from pycawamp.pv.values import Array, Image, Metadata, Reading
from pycawamp.wire.dialect import ImageForm

SMALL_IMAGE = 1_000_000
"""Bytes of pixels that are compressed in the reactor thread; larger images use another thread."""
COLOURS = (3, 4)


def compressed(reactor: Any, reading: Reading, form: ImageForm) -> Deferred[Reading]:
    """Return a Deferred of an update with its image as JPEG, or unchanged if that is impossible."""
    image = reading.value
    if not isinstance(image, Image) or image.codec:
        return succeed(reading)
    if image.pixels.nbytes <= SMALL_IMAGE:
        return succeed(reading._replace(value=jpeg(image, form)))
    compressing = deferToThreadPool(reactor, reactor.getThreadPool(), jpeg, image, form)
    return compressing.addCallback(lambda value: reading._replace(value=value))


def jpeg(image: Image, form: ImageForm) -> Image:
    """Return an image as JPEG; unchanged if it has no pixels, or too many dimensions."""
    import PIL.Image  # noqa: PLC0415 (an extra)

    pixels = _colours_last(image.pixels)
    if pixels is None:
        return image
    if form.max is not None:
        # First in whole steps, which is cheap.
        step = max(1, max(pixels.shape[:2]) // (2 * form.max))
        pixels = pixels[::step, ::step]
    picture = PIL.Image.fromarray(np.ascontiguousarray(_bytes(pixels)))
    if form.max is not None:
        picture.thumbnail((form.max, form.max))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=form.jpeg)
    shape = (picture.height, picture.width, *pixels.shape[2:])
    data = np.frombuffer(stream.getvalue(), np.uint8)
    return Image(data, "jpeg", shape, image.attributes)


def _colours_last(pixels: Array) -> Array | None:
    if pixels.ndim == 2 and pixels.size:
        return pixels
    if pixels.ndim != 3 or not pixels.size:
        return None
    place = next((axis for axis in (2, 0, 1) if pixels.shape[axis] in COLOURS), None)
    return None if place is None else np.moveaxis(pixels, place, 2)[:, :, :3]


def _bytes(pixels: Array) -> Array:
    """Return numbers scaled to 8 bits, from the lowest to the highest of the image."""
    if pixels.dtype == np.uint8:
        return pixels
    numbers = pixels.astype(np.float32)
    finite = numbers[np.isfinite(numbers)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    scale = 255 / (high - low) if high > low else 0.0
    return np.nan_to_num((numbers - low) * scale, posinf=255).clip(0, 255).astype(np.uint8)


class PicturePV:
    """A PV whose images are compressed."""

    def __init__(self, pv: PV) -> None:
        self._pv = pv
        self.latest: Reading | None = None
        """The newest compressed update; None while disconnected."""
        self.last: Reading | None = None
        """See PVState."""
        self.updates = 0
        """How many updates were compressed."""

    @property
    def name(self) -> str:
        """The name of its channel."""
        return self._pv.name

    @property
    def connected(self) -> bool | None:
        """See PVState."""
        return self._pv.connected

    @property
    def changed(self) -> float:
        """See PVState."""
        return self._pv.changed

    @property
    def refusal(self) -> str | None:
        """See PVState."""
        return self._pv.refusal

    @property
    def described(self) -> Metadata | None:
        """See PVState."""
        return self._pv.described

    @property
    def updates_of_connection(self) -> int:
        """See PVState."""
        return self._pv.updates_of_connection

    @property
    def is_overloaded(self) -> bool:
        """See PVState."""
        return self._pv.is_overloaded

    @property
    def inputs(self) -> Sequence[PVState]:
        """See PVState."""
        return self._pv.inputs

    def past(self, start: float) -> Samples:
        """See PVState."""
        return self._pv.past(start)

    def reroute(self) -> None:
        """See PVState."""
        self._pv.reroute()

    def redirect(self, stream: Any, cohort: Any) -> None:
        """See PVState."""
        self._pv.redirect(stream, cohort)


@implementer(ISubscriber)
class PictureSubscription:
    """A subscription that compresses images before it passes them to its subscriber.

    One image is compressed at a time; meanwhile, only the newest update is kept.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, hub: PVHub, name: str, form: ImageForm, subscriber: ISubscriber
    ) -> None:
        self._reactor = reactor
        self._form = form
        self._subscriber: ISubscriber | None = subscriber
        self._waiting: Reading | None = None
        self._busy = False
        self._connections = 0
        self._before: list[Reading] = []
        self._picture_pv: PicturePV | None = None
        self._subscription = hub.subscribe(name, self)
        self._picture_pv = PicturePV(self._subscription.pv)
        # The current value may have been passed on while subscribing.
        for reading in self._before:
            self._take(reading)

    @property
    def pv(self) -> PicturePV:
        """The PV as its subscriber sees it."""
        assert self._picture_pv is not None
        return self._picture_pv

    def close(self) -> None:
        """Unsubscribe."""
        self._subscriber = None
        self._waiting = None
        self._subscription.close()

    def metadata(self, pv: PVState, metadata: Metadata) -> None:
        """Pass on metadata."""
        if self._subscriber is not None:
            self._subscriber.metadata(pv, metadata)

    def connection(self, pv: PVState, connected: bool) -> None:
        """Pass on a connection or disconnection, and drop an older image."""
        self._connections += 1
        self._waiting = None
        picture_pv = self._picture_pv
        if picture_pv is not None:
            picture_pv.last, picture_pv.latest = picture_pv.latest, None
        if self._subscriber is not None:
            self._subscriber.connection(pv, connected)
        if picture_pv is not None:
            picture_pv.last = None

    def reading(self, _pv: PVState, reading: Reading) -> None:
        """Compress an update, or keep it until the previous one is done."""
        if self._picture_pv is None:
            self._before = [reading]
        else:
            self._take(reading)

    def _take(self, reading: Reading) -> None:
        if self._busy:
            self._waiting = reading
            return
        self._busy = True
        compressing = compressed(self._reactor, reading, self._form)
        compressing.addCallback(self._compressed, self._connections)
        compressing.addErrback(
            lambda failure: self._log.failure("An image cannot be compressed", failure)
        )
        compressing.addCallback(lambda _: self._next())

    def _compressed(self, reading: Reading, connection: int) -> None:
        if connection == self._connections and self._subscriber is not None:
            self.pv.latest = reading
            self.pv.updates += 1
            self._subscriber.reading(self.pv, reading)

    def _next(self) -> None:
        self._busy = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._take(waiting)
