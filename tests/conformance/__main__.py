"""Runs the suite: `python -m tests.conformance [WSTEST [CASES…]]`.

WSTEST is the suite's program (by default, the one in PATH): `autobahntestsuite` 0.8.2 in a
Python 2.7. CASES are patterns such as `12.*`; those for compression (12 and 13) take most of the
time. Prints the number of cases by outcome, and exits with 1 if one failed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import react
from twisted.internet.utils import getProcessOutputAndValue

from tests.conformance.echo import echo_site

LARGEST = 2**24
"""Bytes of the suite's largest message."""
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


@inlineCallbacks
def main(reactor: Any, wstest: str = "wstest", *cases: str) -> Generator[Deferred[Any], Any, None]:
    """Serve echo sessions, and run the suite."""
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = yield endpoint.listen(echo_site(reactor, LARGEST))
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    server = {"agent": "pycaserver", "url": f"ws://127.0.0.1:{port.getHost().port}/monitor"}
    spec = {
        "outdir": str(folder),
        "servers": [server],
        "cases": cases or ["*"],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    arguments = ["-m", "fuzzingclient", "-s", str(folder / "spec.json")]
    _, errors, status = yield getProcessOutputAndValue(wstest, arguments, os.environ)
    if status or not (folder / "index.json").exists():
        raise SystemExit(f"the suite ended with {status}: {errors.decode()}")
    report(json.loads((folder / "index.json").read_text())["pycaserver"], folder)


def report(cases: dict[str, dict[str, Any]], folder: Path) -> None:
    """Print the outcome of the cases."""
    outcomes = Counter(case["behavior"] for case in cases.values())
    closing = Counter(case["behaviorClose"] for case in cases.values())
    print(f"{len(cases)} cases: {dict(outcomes)}; closing: {dict(closing)}; {folder}/index.html")
    failed = [
        name
        for name, case in cases.items()
        if case["behavior"] not in GOOD or case["behaviorClose"] not in GOOD
    ]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    react(main, sys.argv[1:])
