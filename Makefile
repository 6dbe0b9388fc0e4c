# Everything here is a thin name for a command that works without make; `make help` lists them.
STACK ?= dev
PYTHON ?= python3
# The embedded stack needs no second thought; any other shows its preview and asks, unless YES=1.
YES ?= $(if $(filter dev,$(STACK)),1)
# What no resource may be: see docs/policy.md. `POLICY=` goes without.
POLICY ?= policy
FLAGS ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
# Pulumi fetches the provider of every package that it finds installed: AWS's is there for stacks of that target alone.
TARGET = $(shell sed -n 's/^ *inference:target: *\([a-z]*\).*/\1/p' Pulumi.$(STACK).yaml 2>/dev/null)
READY = $(VENV)/.ready$(if $(filter eks,$(TARGET)),-eks)
BIN := $(VENV)/bin
ENVIRONMENT = eval "$$($(BIN)/python -m toolchain env --stack $(STACK))"
# Every recipe that needs the stack says so once, in one shell.
STACKED = $(ENVIRONMENT); pulumi stack select --create $(STACK) >/dev/null
CHECKED = $(if $(POLICY),--policy-pack $(POLICY))
# An update without a preview makes what it comes to before a policy stops it. Simulated, that costs nobody anything; and
# what is planned was held against the policies when it was.
WITHOUT_PREVIEW = $(if $(filter dev,$(STACK))$(findstring --plan,$(FLAGS)),--skip-preview)

.PHONY: help up preview drift destroy rehearse render cost preflight status scale repair env test lint format bench pin lock clean

help: ## List what can be made
	@echo "make TARGET [STACK=dev|onprem|eks]"; echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1|\2/' | column -t -s '|'

up: $(READY) ## Bring the stack up, and show what runs where
	@$(STACKED); pulumi up --stack $(STACK) $(CHECKED) $(if $(YES),--yes $(WITHOUT_PREVIEW)) $(FLAGS) && \
	$(BIN)/python -m placement show --stack $(STACK)

preview: $(READY) ## Show what `make up` would change
	@$(STACKED); pulumi preview --stack $(STACK) --diff $(CHECKED) $(FLAGS)

drift: $(READY) ## Show where the stack is no longer what its settings say; changes nothing, fails on any
	@$(STACKED); pulumi preview --stack $(STACK) --refresh --expect-no-changes --diff $(FLAGS)

destroy: $(READY) ## Take the stack down again
	@$(STACKED); pulumi destroy --stack $(STACK) $(if $(YES),--yes --skip-preview) $(FLAGS)

rehearse: $(VENV)/.ready ## Show what of the stack fits where, with every node simulated (SVG=FILE for a picture)
	@$(BIN)/python -m placement rehearse --stack $(STACK) $(if $(SVG),--svg $(SVG)) $(FLAGS)

render: $(VENV)/.ready ## Write the stack's applications for Argo CD into Git, and commit them (CHECK=1 only compares)
	@$(BIN)/python -m rendering $(if $(CHECK),check,render) --stack $(STACK) $(FLAGS)

cost: $(VENV)/.ready ## Estimate what the stack costs an hour, where its target is eks
	@$(BIN)/python -m stacks cost --stack $(STACK)

preflight: $(VENV)/.ready ## Ask Amazon whether the account can have what the stack asks for; changes nothing
	@$(BIN)/python -m stacks preflight --stack $(STACK)

status: $(READY) ## Show what runs where
	@$(STACKED); $(BIN)/python -m placement show --stack $(STACK)

scale: $(READY) ## Give an engine more or fewer replicas now (ENGINE=judge REPLICAS=1)
	@$(STACKED); $(BIN)/python -m placement scale "$(ENGINE)" "$(REPLICAS)" --stack $(STACK)

repair: $(READY) ## After a killed `make up`: release the lock, forget what never happened, and finish
	@$(STACKED); pulumi cancel --yes --stack $(STACK) || true
	@$(STACKED); $(BIN)/python -m components.aws.adoption --stack $(STACK)
	@$(STACKED); pulumi refresh --stack $(STACK) --yes --skip-preview --clear-pending-creates
	@$(MAKE) up

env: $(READY) ## Print the environment for plain `pulumi`, to be read by eval
	@$(BIN)/python -m toolchain env --stack $(STACK)

# Tools may have to be built, for half an hour: meanwhile the checks, and what hosts are made of, which hardly need them.
test: $(VENV)/.ready-dev ## Set up and run all checks and tests
	@$(BIN)/python -m toolchain ensure --group dev --group tests & tools=$$!; \
	trap 'kill $$tools 2>/dev/null && wait $$tools || true' EXIT; \
	$(MAKE) --no-print-directory lint; \
	$(BIN)/python -m tests.hosts; \
	wait $$tools
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile $(FLAGS)

lint: $(VENV)/.ready-dev $(VENV)-checkov/.ready ## Check style, types, scripts, YAML and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	git ls-files '*.sh' .ci/run | xargs $(BIN)/shellcheck -S style
	git ls-files '*.yaml' '*.yml' | xargs $(BIN)/yamllint --strict
	"$$($(BIN)/python -m toolchain path actionlint)" -shellcheck $(BIN)/shellcheck -pyflakes ''
	$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic --strict-collection .github
	$(BIN)/python -m stacks schema --check
	$(BIN)/python -m stacks reference --check
	$(BIN)/python -m stacks matrix --check
	$(BIN)/python -m stacks check Pulumi.*.yaml

format: $(VENV)/.ready-dev ## Format the code and renew generated files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m stacks schema
	$(BIN)/python -m stacks reference
	$(BIN)/python -m stacks matrix

bench: $(VENV)/.ready-dev ## Run the benchmarks: ratios, side by side
	@$(BIN)/python -m toolchain ensure --group dev --group tests --group bench
	@$(BIN)/python -m benchmarks

pin: lock ## Fill the lock files from the publishers; needs the internet
	@$(BIN)/python -m toolchain pin

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock"

lock: $(VENV)/.ready-dev ## Renew the Python lock files, with hashes and without addresses
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) pyproject.toml --group dev --output-file requirements-dev.lock
	$(LOCK) pyproject.toml --group eks --output-file requirements-eks.lock
	$(LOCK) --group checkov --output-file requirements-checkov.lock
	$(LOCK) --group litellm --output-file tests/hosts/litellm.lock
	$(LOCK) --group mlserver --output-file tests/engines/mlserver.lock
	$(LOCK) --group torchserve --output-file tests/engines/torchserve.lock
	$(LOCK) --group vllm --no-deps --output-file tests/engines/vllm.lock
	$(LOCK) --no-deps --group triton --output-file tests/engines/triton.lock
	$(LOCK) --group ray --output-file tests/ray.lock

clean: ## Stop what runs on this machine for this checkout, and remove what was installed into it
	@$(PYTHON) -m toolchain clean
	rm -rf $(VENV) $(VENV)-checkov .state
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.ready: requirements.lock
	@toolchain/venv.sh $(PYTHON) $(VENV) requirements.lock
	@touch $@

# What is needed for development has it too.
$(VENV)/.ready-eks: requirements-eks.lock $(VENV)/.ready
	@$(if $(wildcard $(VENV)/.ready-dev),,toolchain/venv.sh $(PYTHON) $(VENV) requirements-eks.lock)
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@toolchain/venv.sh $(PYTHON) $(VENV) requirements-dev.lock
	@touch $@

$(VENV)-checkov/.ready: requirements-checkov.lock
	@toolchain/venv.sh $(PYTHON) $(VENV)-checkov requirements-checkov.lock
	@touch $@
