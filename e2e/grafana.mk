# The dashboards against Grafana's own types. Included by the Makefile at the top; run from there. Needs node and npm.

GRAFANA := target/grafana

.PHONY: grafana

grafana: ## hold the dashboards against Grafana's published types, field by field (fetches them once)
	@mkdir -p $(GRAFANA) && cp e2e/grafana/* e2e/grafana/.npmrc $(GRAFANA)/
	@cmp --silent $(GRAFANA)/package-lock.json $(GRAFANA)/node_modules/.pinned || (cd $(GRAFANA) && npm ci --silent --ignore-scripts && cp package-lock.json node_modules/.pinned)
	@cd $(GRAFANA) && node check.mjs ../../helm/model-release-operator/dashboards dashboards.ts && node_modules/.bin/tsc --project .
