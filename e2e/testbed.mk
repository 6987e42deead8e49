# Targets of the testbed; the root Makefile includes this file. NAME chooses the cluster.
NAME ?= main
CLUSTER_PROGRAM := cargo run --quiet --package testbed --no-default-features --bin cluster --

.PHONY: up down status

up: ## Raise a real cluster with Istio on this machine (NAME=main)
	@$(CLUSTER_PROGRAM) up --name $(NAME)

down: ## Take it down, and check that nothing is left
	@$(CLUSTER_PROGRAM) down --name $(NAME)

# A cluster that is down is an answer, not a failure.
status: ## Show each part: since when, which version, where its log is
	@$(CLUSTER_PROGRAM) status --name $(NAME) || [ $$? -eq 3 ]
