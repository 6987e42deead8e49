# Everything there is to do, each in a line that can be copied. `make` lists the targets.
#
# Variables: NAME (which testbed, default main), CLUSTER=current (use the cluster of the environment instead).

.DEFAULT_GOAL := help
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The testbed builds helm by its own pin; one that is installed will do as well.
HELM ?= $(or $(wildcard $(CACHE)/model-release-testbed/bin/helm),helm)
IMAGE ?= modelrelease/operator:$(VERSION)
# FROM scratch and COPY alone, so any builder will do: `make image BUILDER="docker build"`.
BUILDER ?= buildah build --isolation chroot --storage-driver vfs

-include e2e/testbed.mk
-include e2e/demo.mk
-include e2e/grafana.mk
-include examples/example.mk

.PHONY: help check lint test deny nightly bench generate chart image clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, tolower(substr($$2, 1, 1)) substr($$2, 2)}' $(MAKEFILE_LIST) | sort

check: ## check the types of the whole workspace
	cargo check --workspace --all-targets --locked

lint: ## formatting and clippy; a warning is an error
	cargo fmt --all --check && cargo clippy --workspace --all-targets --locked -- --deny warnings

test: lint ## what CI runs: lint, all tests, and those on a real API server and cluster
	cargo test --workspace --exclude testbed --locked --no-fail-fast && cargo test --package testbed --locked --no-fail-fast

deny: ## licences, sources and banned crates (builds cargo-deny once, ten minutes)
	cargo install --quiet --locked --root target/tools --version 0.20.2 cargo-deny && target/tools/bin/cargo-deny --locked check bans licenses sources

nightly: export JUDGE_TIMES := 1
nightly: export FLEET := 10000
nightly: lint long-proofs test deny demo ## the long proofs of the core, then test, deny and demo with times judged strictly

# What can fail without a cluster fails before one is raised.
.PHONY: long-proofs
long-proofs: ## random sequences of events by the hundred thousand, and every state of the model's large runs
	LAWS_CASES=100000 cargo test --workspace --exclude testbed --locked --test laws
	MODEL=nightly cargo test --workspace --exclude testbed --locked --test model -- --nocapture
	VERDICTS=20000 cargo test --workspace --exclude testbed --locked --test verdicts -- --nocapture --test-threads 2

.PHONY: prove
prove: ## what is proven: a table by property, the model's runs with their bounds, and what finds each seeded bug
	@mkdir -p target
	@cargo test --workspace --exclude testbed --locked --test model --test seeded -- --nocapture --test-threads 1 > target/prove.txt || (cat target/prove.txt; exit 1)
	@cargo test --workspace --exclude testbed --locked --test 'laws*' -- --nocapture >> target/prove.txt || (cat target/prove.txt; exit 1)
	@awk -f core/tests/prove.awk target/prove.txt

.PHONY: verdicts
verdicts: ## what evidence decides, and when, in thousands of trials: the promises, and the power beside other tools' rules
	@mkdir -p target
	@VERDICTS=$${VERDICTS:-2000} cargo test --package model-release-core --locked --test verdicts -- --nocapture --test-threads 1 > target/verdicts.txt || (cat target/verdicts.txt; exit 1)
	@grep -E '^(\||[A-Z0-9])' target/verdicts.txt | awk '/^[A-Z]/ {print ""} {print}'

bench: ## what a look costs, and a scrape: CPU time, allocations and memory, in two tables
	cargo bench --locked --package model-release-core --bench step
	cargo bench --locked --package model-release-operator --bench metrics

generate: ## rewrite what is generated: definition, rights, dashboards, list of metrics
	BLESS=1 cargo test --locked --test generated

chart: ## package the chart into target/chart
	$(HELM) package helm/model-release-operator --destination target/chart

image: operator-binary ## build the operator's image
	$(BUILDER) --tag $(IMAGE) .

.PHONY: operator-binary
operator-binary: ## build the static program that the operator's image holds
	MODEL_RELEASE_REVISION=$$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown) RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --target $(shell uname -m)-unknown-linux-gnu --bin model-release-operator

.PHONY: plugin
plugin: ## build the static program that kubectl takes for `kubectl modelrelease`
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --target $(shell uname -m)-unknown-linux-gnu --package kubectl-modelrelease

# Where the archive will be published, as in https://downloads.example.com/modelrelease; none: to install it from here.
KREW_BASE ?=
.PHONY: krew
krew: plugin ## pack the plugin for Krew into target/krew: archive, and the manifest with its digest
	cli/krew.sh target/$(shell uname -m)-unknown-linux-gnu/release/kubectl-modelrelease $(VERSION) $(shell uname -m) target/krew $(KREW_BASE)

clean: ## remove what was built here; the testbed's cache outside stays
	cargo clean && rm -rf target/chart target/krew
