"""Uses of Autobahn beyond its public API."""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol

from pycawamp.web.internals import check_internals

_NAMES = (
    *("_fail_connection", "_invalid_payload", "_max_message_size_exceeded"),
    *("_perMessageCompress", "onFrameData", "onFrameEnd", "websocket_extensions"),
    *("failHandshake", "sendCloseFrame", "processData", "processControlFrame"),
    *("onMessageBegin", "onMessageFrameData", "onMessageFrameEnd", "onMessageEnd"),
    *("autoPingPending", "control_frame_data", "current_frame"),
    *("failedByMe", "message_is_binary"),
    *(
        "CONFIG_ATTRS",
        "_dataReceived",
        "data",
        "inside_message",
        "autoPingTimeoutCall",
        "maxMessagePayloadSize",
    ),
)


def check_autobahn() -> None:
    """Check that this version of Autobahn has the required internals.

    Raises:
        InternalsError: Something is missing.
    """
    check_internals("autobahn", WebSocketServerProtocol, _NAMES)


class FailureHooks(WebSocketServerProtocol):  # type: ignore[misc]
    """Calls a method for each reason to fail a connection."""

    def on_bad_frame(self) -> None:
        """Called before the connection is closed because of an invalid frame."""

    def on_bad_text(self) -> None:
        """Called before the connection is closed because a text is not UTF-8."""

    def on_too_large(self, limit: int) -> None:
        """Called before the connection is closed because a message has more than `limit` bytes."""

    def _fail_connection(self, *args: Any, **keywords: Any) -> None:
        self.on_bad_frame()
        super()._fail_connection(*args, **keywords)

    def _invalid_payload(self, reason: str) -> bool:
        self.on_bad_text()
        return bool(super()._invalid_payload(reason))

    def _max_message_size_exceeded(self, size: int, limit: int, reason: str) -> None:
        self.on_too_large(limit)
        super()._max_message_size_exceeded(size, limit, reason)
