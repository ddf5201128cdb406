# Everything sets itself up: the virtual environment, Docker Engine, base images, test hosts.

# The first Python of 3.11 or newer that works (a name on the PATH may be a shim that does not).
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3
PYTHON ?= $(shell for python in $(CANDIDATES); do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
ifeq ($(PYTHON),)
$(error Python 3.11 or newer is needed: install it, or say which one: make PYTHON=/path/to/python3)
endif
TESTBED := $(PYTHON) -m testbed

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-rollback demo-clean test test-all lint unit molecule crash-sample crash-matrix clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv, Docker Engine and the base images be there
	@$(TESTBED) setup

demo: ## Deploy the sample on Celery in the host cutover-demo, migrate it, show before and after
	@$(TESTBED) demo

demo-rollback: ## Take the demo back to Celery
	@$(TESTBED) demo --rollback

demo-clean: ## Remove the demo's host
	@$(TESTBED) demo --clean

test: ## Run all that CI runs: lint, unit, molecule, a sample of the crash matrix
	@$(TESTBED) check

test-all: ## Run all that CI runs, and the slow scenarios and tests (hours)
	@$(TESTBED) check --all

lint: ## ansible-lint, yamllint, ruff, and that defaults and argument_specs agree
	@$(TESTBED) check lint

unit: ## Unit tests of plugins, testbed, converter and sample application
	@$(TESTBED) check unit

molecule: ## Molecule's scenarios on Docker hosts of their own; one alone: make molecule SCENARIO=default
	@$(TESTBED) check molecule $(if $(SCENARIO),--scenario $(SCENARIO))

crash-sample: ## Kill the playbooks where phases begin, and at a few tasks more: part of make test
	@$(TESTBED) check crash-sample

crash-matrix: ## Kill migrate.yml and rollback.yml at every task and go on: hours; SHARD=1/2 for a half
	@$(TESTBED) crash-matrix $(if $(SHARD),--shard $(SHARD))

clean: ## Remove all test hosts and what new ones are copied from; keep .venv and base images
	@$(TESTBED) clean
