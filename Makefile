# Two commands for a newcomer, `make demo` and `make test`, on a Debian or Ubuntu machine with Rust,
# Python 3 and make. What else they need they install, and say so.

CARGO ?= cargo

# The environments that `.venv/%/installed` makes. Exported, because recipes and tests look commands up.
export PATH := $(CURDIR)/.venv/tests/bin:$(PATH)
# Where the demo and the benches look for what was built.
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help demo test check bench stress build clean
# Half-made files are worse than none.
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

demo: ## build, make a bench with two sites, and run it in the foreground
	@scripts/need cc gcc libc6-dev
	@scripts/need redis-server redis-server
	@scripts/need python3 python3
	$(CARGO) build --locked --workspace --bins --examples
	@scripts/demo target/debug/bench demo-bench

test: check .venv/tests/installed ## check formatting and lints, then run every test
	@scripts/need redis-server redis-server
	@scripts/need supervisord supervisor
	@scripts/need systemd-analyze systemd
	@scripts/databases
	@scripts/wheels dev target/debug/wheels
	$(CARGO) test --locked --workspace --doc
	$(CARGO) test --locked --workspace --lib --bins --tests --examples
	@.venv/python/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
		--force-reinstall target/debug/wheels/dontmanage*.whl
	cd python && ../.venv/python/bin/pytest

check: .venv/python/installed ## check formatting, lints and the documentation's links, warnings denied
	@scripts/need cc gcc libc6-dev
	cd python && ../.venv/python/bin/ruff check . && ../.venv/python/bin/ruff format --check .
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

bench: build .venv/benches/installed target/peers/bin/ultraman ## measure our figures beside those of the tools of the field; RUNS=3 ONLY="lines"
	@scripts/need redis-server redis-server
	@scripts/need /usr/bin/time time
	@python3 benches $(ONLY) $(if $(RUNS),--runs $(RUNS))

stress: .venv/python/installed ## read cached documents a million times while processes and Redis are killed; READS=20000
	@scripts/need redis-server redis-server
	@scripts/wheels dev target/debug/wheels
	@.venv/python/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
		--force-reinstall target/debug/wheels/dontmanage*.whl
	@.venv/python/bin/python python/stress $(if $(READS),--reads $(READS))

# The best of the field that can be installed.
target/peers/bin/ultraman:
	$(CARGO) install --quiet --locked --root target/peers ultraman --version 0.4.0

build: ## build the release binary, target/release/bench
	@scripts/need cc gcc libc6-dev
	$(CARGO) build --locked --release

clean: ## remove what the other targets made
	$(CARGO) clean
	rm -rf .venv demo-bench

.venv/%/installed: %/requirements.txt scripts/venv
	@scripts/venv $(@D) $<
	@touch $@
