"""Messages with numbers over time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pycawamp.pv.history import Samples
from pycawamp.pv.single import singles
from pycawamp.pv.values import Array, FieldType, Metadata
from pycawamp.wire.v2.codec import dumps


def is_number(metadata: Metadata) -> bool:
    """Return whether a PV's values are single numbers, which have a history."""
    return not metadata.is_array and metadata.type not in _OTHERS


def history(
    name: str, samples: Samples, metadata: Metadata | None, request_id: str | float | None = None
) -> bytes:
    """Return a `history` message: three lists of the same length."""
    field_type = metadata.type if metadata is not None else FieldType.DOUBLE
    tail = b',"id":%b}' % dumps(request_id) if request_id is not None else b"}"
    return b'{"msg_type":"history","pvname":%b,"timestamps":[%b],"values":%b,"severities":%b%b' % (
        dumps(name),
        _timestamps(samples),
        _VALUES.get(field_type, _integers)(samples.values),
        dumps(samples.severities),
        tail,
    )


def _timestamps(samples: Samples) -> bytes:
    pairs = np.column_stack([samples.seconds, samples.nanoseconds]).ravel().tolist()
    # One formatting operation for all samples.
    return (b"%d.%09d," * len(samples))[:-1] % tuple(pairs)


def _integers(values: Array) -> bytes:
    if np.isfinite(values).all():
        return dumps(values.astype(np.int64))
    return dumps([int(value) if np.isfinite(value) else None for value in values.tolist()])


_VALUES: dict[FieldType, Callable[[Array], bytes]] = {
    FieldType.DOUBLE: lambda values: dumps(np.ascontiguousarray(values)),
    FieldType.FLOAT: lambda values: dumps(singles(values)),
}
_OTHERS = {FieldType.STRING, FieldType.TABLE, FieldType.IMAGE, FieldType.STRUCTURE}
