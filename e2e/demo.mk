# The demo. Included by the Makefile at the top; run from there. NAME picks the testbed, CLUSTER=current the cluster that
# the environment describes, DEMO_FLAGS more flags (`--help` lists them).

.PHONY: demo

demo: ## raise the testbed if needed and show four releases on it; the cluster stays
	@$(if $(NAME),NAME="$(NAME)") $(if $(CLUSTER),CLUSTER="$(CLUSTER)") cargo run --quiet --package testbed --bin demo -- $(DEMO_FLAGS)

.PHONY: traffic

# A cluster that is up stays up with TESTBED_KEEP=1; PARTS=mesh,gateways tells some parts alone.
traffic: ## what clients see of the traffic, at full length: transitions, shares, sticky clients, limits, mesh, gateways, rollbacks
	@TRAFFIC=full STORIES=traffic,quick JUDGE_TIMES=1 cargo test --package testbed --locked --test stories -- --nocapture

.PHONY: pictures

pictures: ## write the pictures of the docs and the plugin's answers in them, of three releases on the testbed; it stays
	@$(if $(NAME),NAME="$(NAME)") cargo run --quiet --locked --package testbed --bin pictures -- $(PICTURES_FLAGS)
