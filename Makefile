# Every target makes its own virtual environment first, from the lock file, and again only when that changes.
# Needs Python 3.11 or newer with its venv module, and nothing else. Nothing is installed outside .venv.

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help demo up bench test check soak release-idl lock clean

help:
	@echo "make demo    a day of 2,000 orders through the whole platform, then the audit"
	@echo "make up      the platform on http://127.0.0.1:8080 until Ctrl-C; data in .tiffin/"
	@echo "make bench   what an order costs, beside pgbench on the same server"
	@echo "make test    the tests      make soak    the heavier ones"
	@echo "make check   format, lint, types, imports, contracts"

demo: $(RUNTIME)
	$(BIN)/tiffin demo

up: $(RUNTIME)
	$(BIN)/tiffin up

bench: $(RUNTIME)
	$(BIN)/tiffin bench

test: $(DEVELOPMENT)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

soak: $(DEVELOPMENT)
	$(BIN)/pytest -m soak --timeout 3600

check: $(DEVELOPMENT)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m tiffin.rpc.stub --check
	$(BIN)/python -m tiffin.rpc.compatible
	$(BIN)/python -m tiffin.gateway.compatible
	$(BIN)/python -m tiffin.gateway.compatible_events

release-idl: $(DEVELOPMENT)  # with every release: what it promised is what the next ones are compared with
	$(BIN)/python -m tiffin.rpc.compatible --release
	$(BIN)/python -m tiffin.gateway.compatible --release
	$(BIN)/python -m tiffin.gateway.compatible_events --release

lock:  # needs uv
	for of in "build requirements.lock" "dev requirements-dev.lock"; do set -- $$of; \
	uv pip compile pyproject.toml --group $$1 --output-file $$2 --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet || exit 1; done

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@for python in python3.11 python3.12 python3.13 python3.14 python3; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "Tiffin needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3-venv)." >&2; \
	exit 1

# No package is built from source, so no compiler is needed; the editable install is by the locked hatchling.
$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing what $< names"
	@$(INSTALL) --only-binary :all: --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock $(RUNTIME)
	@echo "installing what $< names"
	@$(INSTALL) --only-binary :all: --require-hashes -r requirements-dev.lock
	@touch $@
