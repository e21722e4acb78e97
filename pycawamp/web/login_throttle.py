"""Throttling of failed logins."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from pycawamp.access.hosts import network_key
from pycawamp.sessions.bucket_table import BucketTable
from pycawamp.sessions.token_bucket import TokenBucket

FAILED_LOGINS = 10
"""Failed logins that an address may have at once."""
EVERY = 6.0
"""Seconds until it may have another one."""
MAX_ADDRESSES = 10_000


class LoginThrottle:
    """Limits failed logins per address, or per /64 of IPv6."""

    def __init__(self, clock: IReactorTime) -> None:
        self._buckets: BucketTable[str, TokenBucket] = BucketTable(
            lambda: TokenBucket(clock, 1 / EVERY, FAILED_LOGINS), MAX_ADDRESSES
        )

    def attempt(self, host: str) -> bool:
        """Return whether an address may try to log in; counts as a failure until `succeeded`."""
        return self._buckets.of(network_key(host)).take()

    def succeeded(self, host: str) -> None:
        """Do not count the last attempt."""
        self._buckets.of(network_key(host)).give_back()
