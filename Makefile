# Two commands for a newcomer, `make demo` and `make test`, on a Debian or Ubuntu machine with Rust,
# Python 3 and make. What else they need they install, and say so.

CARGO ?= cargo

# The environments that `.venv/%/installed` makes. Exported, because recipes and tests look commands up.
export PATH := $(CURDIR)/.venv/tests/bin:$(PATH)
# Where the demo and the benches look for what was built.
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help demo test check bench stress build wheels clean
# Half-made files are worse than none.
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

demo: ## build, make a bench with two sites, and run it in the foreground
	@scripts/need cc gcc libc6-dev
	@scripts/need redis-server redis-server
	@scripts/need python3 python3
	$(MAKE) --no-print-directory wheels
	$(CARGO) build --locked --workspace --bins --examples
	@scripts/demo target/debug/bench demo-bench

test: check wheels .venv/tests/installed .venv/python/installed ## check formatting and lints, then run every test
	@scripts/need redis-server redis-server
	@scripts/need supervisord supervisor
	@scripts/need systemd-analyze systemd
	@scripts/databases
	$(CARGO) test --locked --workspace --doc
	@# `--lib` would test the extension module too, which is no program: Python has to load it.
	$(CARGO) test --locked --workspace --exclude dontmanage-cache-python --lib --bins --tests --examples
	@.venv/python/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
		--force-reinstall target/debug/wheels/dontmanage*.whl
	cd python && ../.venv/python/bin/pytest

check: .venv/python/installed ## check formatting, lints and the documentation's links, warnings denied
	@scripts/need cc gcc libc6-dev
	cd python && ../.venv/python/bin/ruff check . && ../.venv/python/bin/ruff format --check .
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

# The cache's part builds for itself what it measures.
bench: $(if $(filter-out cache,$(or $(ONLY),all)),build target/peers/bin/ultraman) .venv/benches/installed ## measure our figures beside those of the tools of the field; RUNS=3 ONLY="cache"
	@scripts/need redis-server redis-server
	@scripts/need /usr/bin/time time
	@python3 benches $(ONLY) $(if $(RUNS),--runs $(RUNS))

stress: wheels .venv/python/installed ## read cached documents a million times while processes and Redis are killed; READS=20000 DATABASE=sqlite
	@scripts/need redis-server redis-server
	@.venv/python/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
		--force-reinstall target/debug/wheels/dontmanage*.whl
	@.venv/python/bin/python python/stress $(if $(READS),--reads $(READS)) $(if $(DATABASE),--database $(DATABASE))

# The best of the field that can be installed.
target/peers/bin/ultraman:
	$(CARGO) install --quiet --locked --root target/peers ultraman --version 0.4.0

build: .venv/packing/installed target/fetched/all ## build target/release/bench with the wheels in target/release/wheels
	@scripts/need cc gcc libc6-dev
	@scripts/wheels wheel target/release/wheels
	$(CARGO) build --locked --release

wheels: .venv/packing/installed target/fetched/all ## build the wheels that a `bench` of `cargo build` carries
	@scripts/need cc gcc libc6-dev
	@scripts/wheels dev target/debug/wheels

clean: ## remove what the other targets made
	$(CARGO) clean
	rm -rf .venv demo-bench

.venv/packing/installed: python/packing/requirements.txt scripts/venv
	@scripts/venv $(@D) $<
	@touch $@

# The wheels of others that bench carries, each with the bytes that its hash promises.
target/fetched/all: python/packing/bundled.txt | .venv/packing/installed
	@rm -rf $(@D)
	@echo "fetching what $< names"
	@.venv/packing/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
		--only-binary :all: --platform any --python-version 3.10 --implementation py --abi none \
		--dest $(@D) --requirement $<
	@touch $@

.venv/python/installed: python/packing/requirements.txt

.venv/%/installed: %/requirements.txt scripts/venv
	@scripts/venv $(@D) $<
	@touch $@
