# The demo. Included by the Makefile at the top; run from there. NAME picks the testbed, CLUSTER=current the cluster that
# the environment describes, DEMO_FLAGS more flags (`--help` lists them).

.PHONY: demo

demo: ## raise the testbed if needed and show four releases on it; the cluster stays
	@$(if $(NAME),NAME="$(NAME)") $(if $(CLUSTER),CLUSTER="$(CLUSTER)") cargo run --quiet --package testbed --bin demo -- $(DEMO_FLAGS)
