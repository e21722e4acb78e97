"""The media types of the gateway's files."""

from __future__ import annotations

TYPES = {
    "": "text/html; charset=utf-8",
    "config.json": "application/json",
    "static/console.css": "text/css; charset=utf-8",
    "static/icon.svg": "image/svg+xml",
    "static/pycaserver.js": "text/javascript; charset=utf-8",
}
