# `make help` lists what can be asked for.
.DEFAULT_GOAL := help
.PHONY: help demo stop install test lint schema format messages bench bench-labelling bench-judges bench-routing bench-training \
	bench-data \
	lock clean

PORT ?= 8000
# Not from the environment, where some shells keep the machine's name: that would open the port.
HOST = 127.0.0.1
DATA ?=
HEADLESS ?=
ARGS ?=

# The first interpreter that runs and is new enough; a shim that only complains is passed over.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$python; break; fi; done)
VENV := .venv/bin/python
# Byte code is worth keeping: many short programs run here.
unexport PYTHONDONTWRITEBYTECODE

define bootstrap
	@test -n "$(PYTHON)" || { echo "tandem: no Python 3.11 or newer was found. Install one (for \
	example apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11" >&2; \
	exit 1; }
	@$(PYTHON) platform/embedded/bootstrap.py --extras "$(1)"
endef

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

demo: ## Install, start everything and run the demo (HEADLESS=1 DATA=file PORT=8000 HOST=127.0.0.1)
	$(call bootstrap,embedded train)
	@exec $(VENV) -m embedded up --host "$(HOST)" --port "$(PORT)" \
		$(if $(filter-out 0 no false,$(HEADLESS)),--headless) $(if $(DATA),--data "$(DATA)")

stop: ## Stop a demo that runs elsewhere
	@$(VENV) -m embedded stop

install: ## Install everything for development into .venv
	$(call bootstrap,embedded train s3 oracle dev)

test: install ## Run all tests (ARGS are handed to pytest)
	@$(VENV) -m tests.browser --install
	@exec $(VENV) -m pytest -n 2 -rs $(ARGS)

lint: install ## Check style, types, layers, templates and migrations
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy .
	.venv/bin/lint-imports --no-cache
	$(VENV) -m djlint --check --lint --quiet frontend
	$(VENV) -m embedded run -- $(VENV) manage.py makemigrations --check --dry-run

messages: install ## Bring the catalogues of texts up to date and compile them (needs gettext)
	$(VENV) -m embedded run -- $(VENV) manage.py makemessages -l de -l ar -i .venv -i tests -i var -i docs \
		--no-wrap --no-obsolete --add-location file
	$(VENV) -m embedded run -- $(VENV) manage.py compilemessages -l de -l ar -i .venv

schema: install ## Write docs/openapi.yaml anew: the description of the interface
	$(VENV) -m embedded run -- $(VENV) manage.py spectacular --validate --fail-on-warn \
		--file docs/openapi.yaml

format: install ## Rewrite sources and templates in the common style
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .
	$(VENV) -m djlint --reformat --quiet frontend

bench: ## Measure; JSON lines on stdout, tables on stderr (ARGS choose: platform --cold)
	$(call bootstrap,embedded train s3 oracle dev) >&2
	@exec $(VENV) -m tests.bench $(ARGS)

bench-labelling: ## Labelling under load, beside Label Studio (ARGS=--quick, --no-peer)
	$(call bootstrap,embedded train s3 oracle dev) >&2
	@exec $(VENV) -m tests.bench labelling $(ARGS)

bench-judges: ## Judges: rate, memory, a kill, and consensus over many labels (ARGS=--quick)
	$(call bootstrap,embedded train s3 oracle dev) >&2
	@exec $(VENV) -m tests.bench judges judges_consensus $(ARGS)

bench-routing: ## Routing: fits, feature counts, scoring a million, the frontier (ARGS=--quick)
	$(call bootstrap,embedded train s3 oracle dev) >&2
	@exec $(VENV) -m tests.bench routing $(ARGS)

bench-training: ## Training: pairs/s and memory beside TRL, lists beside pairs (ARGS=--quick)
	$(call bootstrap,embedded train s3 oracle dev) >&2
	@exec $(VENV) -m tests.bench training $(ARGS)

bench-data: ## Data: import, export and lists at the size of a million (ARGS=--quick)
	$(call bootstrap,embedded train s3 oracle dev) >&2
	@exec $(VENV) -m tests.bench data $(ARGS)

lock: ## Choose the newest allowed versions of all dependencies again
	@command -v uv >/dev/null || { echo "tandem: make lock needs uv (pip install uv)." >&2; exit 1; }
	uv pip compile pyproject.toml --all-extras --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --upgrade --output-file requirements.lock
	@sed -i.bak -E 's/^(torch==[0-9.]+)\+[a-z0-9.]+/\1/' requirements.lock && rm requirements.lock.bak

clean: ## Remove everything that was installed or made here, the data in var/ included
	rm -rf .venv var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
