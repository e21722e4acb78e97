# The front door: every command that this project needs, by name.

PYTHON ?= python3

.PHONY: help install test style types contracts js check bench soak demo screenshots wheel ci clean

help:  ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install:  ## Install the project, editable, with all that is needed to work on it
	$(PYTHON) -m pip install -e ".[dev]"

test:  ## Run the tests: real IOCs, real sockets, a real browser; all on loopback
	$(PYTHON) -m twisted.trial tests

style:  ## Check the format and the style
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:  ## Check the types
	$(PYTHON) -m mypy

contracts:  ## Check that arrows between modules go down only
	lint-imports

js:  ## Test the JavaScript client
	cd js && npm ci --no-audit --no-fund && npm test && npm run lint && npm run types

check: style types contracts test  ## All checks but the JavaScript ones

bench:  ## Measure, beside a naive build of the same; ARGS="--quick" for a first look
	$(PYTHON) -m bench.run $(ARGS)

soak:  ## Ten minutes of clients that come and go: is the memory flat?
	$(PYTHON) -m bench.run --only memory --soak 10

demo:  ## Run the gateway with an IOC of its own
	twistd -n pycaserver --port tcp:8888:interface=127.0.0.1 --demo

wheel:  ## Build the wheel
	$(PYTHON) -m build --wheel

ci:  ## All that CI does, in fresh environments
	bash .ci/run

clean:  ## Remove what was built
	rm -rf build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis bench/load bench/calat
