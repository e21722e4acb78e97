# The commands for working on this project.

PYTHON ?= python3

.PHONY: help install options cluster-demo test coverage quick-coverage style types contracts docs js check bench soak demo screenshots wheel ci clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install:  ## Install the project, editable, with development tools
	$(PYTHON) -m pip install -e ".[dev]"

test:  ## Run the tests
	$(PYTHON) -m tests

coverage:  ## Run the tests, and show the lines that they do not reach
	PYCASERVER_TEST_TIME_FACTOR=3 $(PYTHON) -m coverage run -m twisted.trial tests
	$(PYTHON) -m coverage report

# Of the packages whose tests are slow, the test modules that reach the most lines in the least time.
QUICK = access config fanout wire pv.local \
    pv.formula.test_formula_pvs pv.formula.test_formula_rules pv.formula.test_language \
    pv.test_hub pv.test_dbr pv.test_inbox pv.test_memory_backend pv.test_channel_states \
    pv.test_compiled_updates pv.pva.test_direct pv.pva.test_types \
    bus.test_published bus.test_channel bus.test_direct \
    client.test_client client.test_client_options client.test_client_show \
    client.test_client_values client.test_client_commands client.test_client_requests \
    web.test_api web.test_api_freed web.test_names web.test_dialect_rules web.test_health \
    web.test_tokens
quick-coverage:  ## The same for fast tests, and check the figure, as in CI
	PYCASERVER_TEST_TIME_FACTOR=3 PYCASERVER_TEST_EXAMPLES=0.1 \
	  $(PYTHON) -m coverage run -m twisted.trial --reporter=text $(QUICK:%=tests.%)
	$(PYTHON) -m coverage report --fail-under=84 --skip-covered

style:  ## Check format and style
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:  ## Check the types
	$(PYTHON) -m mypy

contracts:  ## Check that modules import only from layers below
	lint-imports

docs:  ## Build the API reference, build/reference/index.html
	$(PYTHON) -m pydoctor

js:  ## Test the JavaScript client
	cd js && npm ci --no-audit --no-fund && npm test && npm run lint && npm run types && npm run examples

check: style types contracts docs test  ## Run all checks except those of JavaScript

bench:  ## Run the benchmarks; ARGS="--quick" for a smoke test
	$(PYTHON) -m bench.run $(ARGS)

soak:  ## Measure memory while clients connect and disconnect for ten minutes
	$(PYTHON) -m bench.run --only memory --soak 10

demo:  ## Run the gateway with a demo IOC
	twistd -n pycaserver --port tcp:8888:interface=127.0.0.1 --demo

cluster-demo:  ## Run NATS servers, ingests, edges and a demo IOC, to see what happens when some fail
	$(PYTHON) -m harness.cluster_demo

options:  ## Bring the table of options in docs/operations.md up to date
	$(PYTHON) -m pycawamp.config docs/operations.md

wheel:  ## Build the wheel
	$(PYTHON) -m build --wheel

ci:  ## Run CI in fresh environments
	bash .ci/run

clean:  ## Remove build products
	rm -rf build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis bench/load bench/calat .coverage*
