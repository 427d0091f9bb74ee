# `make help` lists what can be done. Everything is a thin line over cargo.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
ARGS ?=
SECONDS_EACH ?= 30
KILLS ?= 1000
DISK_SEEDS ?= 10000

# A release build is laid out by what host/hot.profdata says is hot. `make profile` records that; what has changed since is
# built as without, and so is everything when another compiler recorded it.
PROFILED = RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/rustc-profiled $(CARGO)
RELEASE = $(PROFILED) build --release --package cacheismo
# Every build of the development profile selects the workspace and its tests, so that all share one set of dependencies:
# their features depend on what is selected.
DEV_BUILD = $(CARGO) build --workspace --bins --tests
# A source file of more lines holds two things.
LINES_MAX = 600

.PHONY: help run check test test-rust test-e2e test-tools objects objects-check bench bench-page instructions profile fuzz miri tsan soak crash-test attack clean

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: ## Build the server in release mode and serve on 127.0.0.1:11211; ARGS="-m 256" passes options on
	@tests/profile --check || true
	$(RELEASE)
	exec target/release/cacheismo -l 127.0.0.1 $(ARGS)

check: ## Formatting, lints and documentation, warnings denied
	$(CARGO) fmt --all --check
	@find host guest-sdk objects tests fuzz -name '*.rs' ! -path '*/target/*' -exec awk \
		'FNR == $(LINES_MAX) + 1 { print FILENAME ": more than $(LINES_MAX) lines"; long = 1 } END { exit long }' {} +
	@tests/profile --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --document-private-items

test: test-tools check objects-check test-rust ## Everything that must pass: checks, unit, doc and end-to-end tests

test-rust: test-tools
	$(DEV_BUILD)
	$(CARGO) test --workspace

test-e2e: test-tools ## Only the end-to-end tests, on a development build; T="name" selects some
	$(DEV_BUILD)
	$(CARGO) test --workspace --test e2e -- $(T)

test-tools: .venv/ready tests/clients/node_modules/ready target/clients/ready ## Install what the tests need: clients, memcached, wasm target
	@tests/install-tools

.venv/ready: tests/clients/requirements.txt
	@tests/install-tools python
	rm -rf .venv
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

tests/clients/node_modules/ready: tests/clients/package.json tests/clients/package-lock.json
	@tests/install-tools node
	cd tests/clients && npm ci --silent --no-progress
	@touch $@

target/clients/ready: $(shell find tests/clients/memcache-crate -name '*.rs' -o -name 'Cargo.*')
	$(CARGO) build --quiet --locked --manifest-path tests/clients/memcache-crate/Cargo.toml --target-dir target/clients
	@touch $@

objects: ## Rebuild objects/prebuilt/*.wasm from source
	@tests/install-tools wasm
	objects/build.sh

objects-check: test-tools ## Fail when the prebuilt modules aren't what the sources build
	objects/build.sh --check

bench: ## Compare with memcached and redis, interleaved and pinned, keep the record and render BENCHMARKS.md, then time the store and calls by themselves; ARGS="--secs 1 --only counter" for a quick look that keeps nothing
	@tests/install-tools bench
	@tests/profile --check || true
	$(RELEASE) --package cacheismo-bench
	target/release/cacheismo-bench $(or $(ARGS),--record)
	[ -n "$(ARGS)" ] || $(PROFILED) bench --package cacheismo --package cacheismo-store --bench store --bench call

bench-page: ## Render BENCHMARKS.md from the records in tests/bench/record
	$(DEV_BUILD) --quiet
	target/debug/cacheismo-bench --page

instructions: ## Instructions per request of the hot paths against tests/instructions.txt; fails at 5 % more
	@tests/install-tools bench
	tests/instructions $(ARGS)

profile: test-tools ## Record anew which paths of the host are hot
	@tests/install-tools bench
	@tests/install-tools profile
	tests/profile

# The parsers have no unsafe code and the store no memory but its arena, so sanitizers would find nothing and cost much time.
fuzz: ## A short run of every fuzz target; SECONDS_EACH=600 for a longer one
	@tests/install-tools fuzz
	for target in $$($(CARGO) +nightly fuzz list); do \
		mkdir -p fuzz/corpus/$$target; \
		$(CARGO) +nightly fuzz run -s none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(SECONDS_EACH); \
	done

# The store is a crate of its own, so its tests build without the wasm compiler. Models of borrowing follow each borrow
# of the arena byte by byte, so whole stores run without them: races, bounds and uninitialised memory are seen all the same.
MIRI = PROPTEST_CASES=2 MIRIFLAGS="-Zmiri-disable-isolation $(1)" $(CARGO) +nightly miri test --package cacheismo-store --lib --
MIRI_TESTS = $(addprefix tests::basics::,keys_that_share modes_do_what a_token_is_given numbers_count_in_place touching_gives a_flush_ends) \
	tests::short $(addprefix fields::small::tests::,a_small_object no_bytes an_overwrite)

miri: ## The arena and short lives of stores in an interpreter that finds undefined behaviour; T="name" for others
	@tests/install-tools miri
	$(call MIRI,-Zmiri-tree-borrows) memory::os:: memory::arena::
	$(call MIRI,-Zmiri-disable-stacked-borrows) $(or $(T),$(MIRI_TESTS))

tsan: ## Tests of the store's threads under ThreadSanitizer, which finds data races; T="name" for others
	@tests/install-tools tsan
	RUSTFLAGS=-Zsanitizer=thread $(CARGO) +nightly test -Z build-std --target $$(rustc -vV | sed -n 's/^host: //p') \
		--target-dir target/tsan --package cacheismo-store --lib -- \
		$(or $(T),$(addprefix tests::,concurrent order turns pins upload objects::transfers long short))

soak: test-tools ## Long runs: 200,000 commands against memcached, a million calls with flat memory, 40 million operations in order, CACHEISMO_SOAK_SECONDS=30 of churn in the store
	$(DEV_BUILD)
	CACHEISMO_DIFFERENTIAL_COMMANDS=200000 $(CARGO) test --workspace --test e2e differential
	$(CARGO) test --workspace --test e2e -- --ignored
	$(CARGO) test --package cacheismo-store --lib tests::soak -- --ignored --test-threads 1

crash-test: test-tools ## A thousand kills at random moments of a checked load; KILLS=100 for fewer; 10,000 seeds of a simulated disk
	$(DEV_BUILD)
	CACHEISMO_KILLS=$(KILLS) $(CARGO) test --workspace --test e2e crash:: -- --nocapture
	CACHEISMO_DISK_SEEDS=$(DISK_SEEDS) $(CARGO) test --package cacheismo-journal --lib recover::

attack: test-tools ## Attack parsers, store, ABI, interpreter, compiler and sockets for about an hour, with a table of findings; ATTACK_SECONDS=5 ATTACK_INPUTS=100000 for less, see tests/attack
	@tests/install-tools fuzz
	$(DEV_BUILD)
	$(RELEASE)
	CARGO=$(CARGO) CACHEISMO_BIN=$(CURDIR)/target/release/cacheismo tests/attack

clean: ## Remove what the builds and tests made
	$(CARGO) clean
	rm -rf .venv tests/clients/node_modules
