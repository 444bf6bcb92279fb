# MediNova RT. Each target is one line that CI runs too.
PY := .venv/bin/python
STAMP := .venv/installed
DEV := .venv/installed-dev

NATIVE := $(shell find native \( -name target -o -path native/fuzz \) -prune -o -type f -print)

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## make .venv, install the locked packages, build the native engine if Rust is there

$(STAMP): requirements.lock pyproject.toml setup.py $(NATIVE)
	@tools/install

$(DEV): $(STAMP) requirements-dev.lock
	@tools/install dev

run: $(STAMP) ## start the server with a demo clinic on http://localhost:8080 (HTTPS=1: on the network, self-signed)
	@$(PY) -m medinova_rt demo $(if $(HTTPS),--https)

check: $(DEV) ## format, lint and types of Python, Rust and the web client, and the layers
	@tools/check

test: $(DEV) ## every test, real browsers included; installs what they need when it may
	@tools/test

evidence: $(DEV) ## which test shows which clause of HIPAA, OWASP API 1-10 and ASVS: runs them, or reads FROM=build/tests.xml
	@$(PY) -m tools.evidence $(FROM)

long: $(DEV) ## the searches too long for make test: e2e twenty times, Hypothesis at full depth
	@tools/long

fuzz: ## search the native engine for inputs that break it: each target for SECONDS (60), then Miri and AddressSanitizer
	@EACH=$(or $(SECONDS),60) tools/fuzz

bench: $(DEV) ## python -m bench NAME, e.g. make bench NAME=forward
	@$(PY) -m bench $(NAME)

peers: ## install and build what make bench compares us with: Janus, with Debian's libsrtp and with a faster one
	@tools/peers

lock: $(STAMP) ## resolve the lock files anew from pyproject.toml and package.json
	@tools/lock

clean: ## remove everything that make made, the data in var/ excepted
	rm -rf .venv node_modules build dist native/target native/fuzz/target media/_engine.*.so *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

.PHONY: help install run check test evidence long fuzz bench peers lock clean
