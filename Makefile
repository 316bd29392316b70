# make parity | test | test-all | lint: each sets up .venv by itself, with uv where it is installed, else with venv and pip.
# make test leaves out the tests that are marked slow: rare cases in full, of each of which it has an example. It runs
# TEST_PROCESSES processes of pytest, each with its own workers, which take about 3 GB. 0: one process, without xdist.
# make oldest: an environment with the oldest Paddle that is supported, for PARITY_PADDLE_PYTHON.
PYTHON ?= python3
VENV := .venv
EXTRA ?= $(if $(wildcard $(VENV)/.ready-gpu),gpu,cpu)
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(EXTRA)
REPORT ?= parity-report.md
TEST_PROCESSES ?= 2
TESTS := $(BIN)/pytest tests/ --numprocesses $(TEST_PROCESSES) --dist worksteal
SUITE := --constraint constraints.txt --editable '.[$(patsubst gpu,tensorflow-gpu,$(EXTRA)),cluster,dev]'
# EXTRA=gpu: TensorFlow in $(VENV), and in an environment of its own inside that, where the suite looks for it, Paddle:
# PyPI's, or PADDLE_GPU=the file of a wheel. PADDLE_PYTHON is the Python of that environment.
PADDLE_GPU ?= paddlepaddle-gpu==2.6.2
OLDEST := .venv-oldest
OLDEST_PACKAGES := paddlepaddle==2.6.2 numpy==1.26.4

.PHONY: parity test test-all lint setup oldest clean

parity: $(READY)
	@status=0; $(BIN)/pytest parity/ --benchmark-save || status=$$?; \
	$(BIN)/parity report -o $(REPORT) && exit $$status

test: $(READY)
	$(TESTS) -m 'not slow'

test-all: $(READY)
	$(TESTS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(READY)

oldest: $(OLDEST)/.ready

# $(call environment,FOLDER,PYTHON,ARGUMENTS OF INSTALL): made new
define environment
  if command -v uv >/dev/null 2>&1; then \
    uv venv --quiet --allow-existing --python $(2) $(1) && \
    uv pip install --quiet --compile-bytecode --python $(1)/bin/python $(3); \
  else \
    $(2) -m venv $(1) && $(1)/bin/python -m pip install --quiet --disable-pip-version-check $(3); \
  fi
endef

# Of the shell: the first Python for which there are wheels of Paddle 2.6.2.
python_for_paddle_2 = $${PADDLE_PYTHON:-$$(for python in $(PYTHON) python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$python && break; done)}
no_python = echo "Paddle 2.6.2 has wheels up to Python 3.12, and no python3.11 or python3.12 was found: install one, or name it with PADDLE_PYTHON=..." >&2; exit 2
# Of the shell: what the Python of Paddle's worker needs besides Paddle.
needs = $$($(BIN)/python -c 'from parity.catalogue.versions import needs; print(*needs("paddle"))')

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12" >&2; exit 2; }
	@rm -rf $(VENV)/frameworks $(VENV)/.ready-*
	@echo "Setting up $(VENV) with the extra '$(EXTRA)' (downloads up to 1 GB the first time, for a GPU 5 GB)"
	@$(call environment,$(VENV),$(PYTHON),$(SUITE))
ifeq ($(EXTRA),gpu)
	@python="$(python_for_paddle_2)"; [ "$$python" ] || { $(no_python); }; \
	echo "Setting up $(VENV)/frameworks/paddle with $(PADDLE_GPU)"; \
	$(call environment,$(VENV)/frameworks/paddle,$$python,$(PADDLE_GPU) $(needs))
endif
	@touch $@

$(OLDEST)/.ready: $(READY) Makefile
	@python="$(python_for_paddle_2)"; [ "$$python" ] || { $(no_python); }; \
	echo "Setting up $(OLDEST) with $(OLDEST_PACKAGES)"; \
	$(call environment,$(OLDEST),$$python,$(OLDEST_PACKAGES) $(needs))
	@touch $@
	@echo "Use it: PARITY_PADDLE_PYTHON=$(OLDEST)/bin/python $(BIN)/parity check lenet5"

clean:
	rm -rf $(VENV) $(OLDEST) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
