# What a fresh checkout can do. The programs do the work; nothing here knows how.
.DEFAULT_GOAL := help
.PHONY: help setup test-cluster clean-cluster clean-image test unit cluster region project lint bench prod docs

bin := .venv/bin
# Half of what they take is waiting for what they started.
workers = $(shell echo $$((2 * $$(nproc))))
# Ours alone: sh programs by their first line.
sh_programs = $(shell grep -rlIE --exclude='*.py' --exclude-dir=__pycache__ '^\#!/bin/(ba)?sh' hashistack scripts bench .ci)

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '%-15s %s\n' "$$name" "$$text"; done

setup: ## the virtual environment, and Docker that answers
	@scripts/setup

test-cluster: setup ## a secured five-machine cluster on this machine (pulumi up in examples/test-cluster)
	@$(bin)/hashistack up -C examples/test-cluster

clean-cluster: setup ## destroys it and all that it left
	@$(bin)/hashistack down -C examples/test-cluster --yes

clean-image: ## removes the cached machine images
	@docker image ls -q hashistack-machine | sort -u | xargs -r docker image rm -f

# One after another, so that the cluster of the first is gone when the region's machines want both cores.
test: unit cluster region project ## every test: the pure ones side by side, then those on real clusters

unit: ## the tests that need no cluster, side by side
	@scripts/setup test
	@$(bin)/python -m pytest -q -n $(workers) -m "not cluster"

cluster: ## the tests on clusters in containers
	@scripts/setup test
	@$(bin)/python -m pytest -q -m cluster --ignore tests/region --ignore tests/project

region: ## the tests on a whole AWS region of stand-ins
	@scripts/setup test
	@$(bin)/python -m pytest -q -m cluster tests/region

project: ## the tests on a whole Google Cloud project of stand-ins
	@scripts/setup test
	@$(bin)/python -m pytest -q -m cluster tests/project

lint: setup ## ruff, mypy --strict, shellcheck
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/python -m mypy
	@$(bin)/shellcheck $(sh_programs)

bench: setup ## each figure beside a floor measured in the same run
	@$(bin)/python -m bench

docs: ## these pages as a site, in website/build/html
	@scripts/setup environment
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@$(bin)/python -m website

prod: ## a production datacenter on AWS or Google Cloud (pulumi up in examples/prod), after a look at the account
	@scripts/setup environment
	@$(bin)/hashistack up -C examples/prod
