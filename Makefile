# Two commands: `make run` to try it, `make test` to check it. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where everything that is built, fetched or generated lives; scripts and policies/quickstart.yaml count on it.
export CARGO_TARGET_DIR := $(CURDIR)/target
TOOLS := $(CARGO_TARGET_DIR)/tools
export PATH := $(TOOLS)/bin:$(PATH):/usr/sbin

# The port that `make run` serves on, for how long `make fuzz` runs each target, and what `make slow` attacks with.
PORT ?= 9091
FUZZ_SECONDS ?= 60
SLOW_SECONDS ?= 60
SLOW_CONNECTIONS ?= 120
# For how long `make memory` attacks each way.
MEMORY_SECONDS ?= 30

# For how long `make soak` works.
SOAK_SECONDS ?= 14400

# With how many guessers and for how long `make logins` attacks.
LOGIN_SECONDS ?= 30
LOGIN_GUESSERS ?= 2000

# What `make dist` builds for.
ARCH ?= amd64

# How long a log `make replay-speed` makes.
LINES ?= 1000000

# How much `make volume` runs, and from which seed.
PATHS ?= 200000
ABORTS ?= 10000
RESTARTS ?= 200
WRITES ?= 20000
BODIES ?= 50000
FRAMING ?= 20000
ADDRESSES ?= 20000
IDENTIFIERS ?= 10000
SEED ?= 1

CLIENTS := $(CARGO_TARGET_DIR)/clients
export PUSHGUARD_PYTHON ?= $(CLIENTS)/python/bin/python
export PUSHGUARD_KUBERNETES_VALIDATE ?= $(CLIENTS)/deploy/bin/kubernetes-validate
export PUSHGUARD_NODE_MODULES ?= $(CLIENTS)/node/node_modules

.PHONY: help
help: ## Say what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: run
run: ## Build, start a real Pushgateway and pushguard in front of it (PORT=9091, PUSHGATEWAY=/path)
	@tests/scripts/need.sh cc=build-essential cmake curl
	@cargo build --locked
	@PORT=$(PORT) tests/scripts/run.sh

.PHONY: test
test: test-needs ## Install what the tests need, then run all of them: format, clippy, tests
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	PUSHGATEWAY="$$(tests/scripts/gateway.sh)" PUSHGATEWAY_NEW="$$(tests/scripts/newer.sh)" \
	    PROMETHEUS="$$(tests/scripts/prometheus.sh)" PUSHGUARD_REQUIRE_ALL=1 \
	    KUSTOMIZE="$$(tests/scripts/sid.sh kustomize kustomize version)" \
	    DOCKER_COMPOSE="$$(tests/scripts/sid.sh docker-compose docker-compose version)" \
	    INSTA_UPDATE=no cargo test --locked --no-fail-fast
	cargo run --quiet --locked -- test policies/ deploy/kubernetes/overlays/*/settings deploy/compose

.PHONY: test-needs
test-needs: ## Only install what the tests need
	@tests/scripts/need.sh cc=build-essential cmake curl openssl python3 python:ensurepip=python3-venv node=nodejs npm \
	    systemd-analyze=systemd unshare=util-linux ip=iproute2 script=bsdutils zsh fish
	@tests/scripts/components.sh
	@tests/scripts/gateway.sh > /dev/null
	@tests/scripts/prometheus.sh > /dev/null
	@tests/scripts/sid.sh kustomize kustomize version > /dev/null
	@tests/scripts/sid.sh docker-compose docker-compose version > /dev/null
	@$(MAKE) -s $(CLIENTS)/python/.installed $(CLIENTS)/node/.installed $(CLIENTS)/deploy/.installed

.PHONY: gateways
gateways: ## Say which gateways the tests run against; fetches a newer one where it can be had
	@tests/scripts/gateway.sh
	@tests/scripts/newer.sh

.PHONY: volume
volume: ## Run PATHS=200000 paths, ABORTS=10000 cut uploads, RESTARTS=200, BODIES=50000, WRITES, FRAMING and ADDRESSES=20000, IDENTIFIERS=10000, from SEED=1
	@tests/scripts/need.sh cc=build-essential cmake
	@export PUSHGATEWAY="$$(tests/scripts/gateway.sh)" PUSHGATEWAY_NEW="$$(tests/scripts/newer.sh)" \
	    PROMETHEUS="$$(tests/scripts/prometheus.sh)" PUSHGUARD_SEED=$(SEED) && \
	    PUSHGUARD_VOLUME=$(PATHS) cargo test --locked --test volume_paths && \
	    PUSHGUARD_VOLUME=$(ABORTS) cargo test --locked --test volume_aborts && \
	    PUSHGUARD_VOLUME=$(RESTARTS) cargo test --locked --test restarts && \
	    PUSHGUARD_VOLUME=$(WRITES) cargo test --locked --test scrape_survives && \
	    PUSHGUARD_VOLUME=$(BODIES) cargo test --locked --test volume_bodies && \
	    PUSHGUARD_VOLUME=$(FRAMING) cargo test --locked --test volume_framing && \
	    PUSHGUARD_VOLUME=$(ADDRESSES) cargo test --locked --test volume_addresses && \
	    PUSHGUARD_VOLUME=$(IDENTIFIERS) cargo test --locked --test it log_floods::every_line_can_be_read

# The official client libraries, in the versions that these files name.
$(CLIENTS)/python/.installed: tests/clients/requirements.txt
	@echo "Installing the Python client into target/clients/python"
	@python3 -m venv --clear $(CLIENTS)/python
	@$(CLIENTS)/python/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# The schemas of Kubernetes for the manifests, and the types of Grafana for the dashboards.
$(CLIENTS)/deploy/.installed: tests/deploy/requirements.txt
	@echo "Installing kubernetes-validate and Grafana's types into target/clients/deploy"
	@python3 -m venv --clear $(CLIENTS)/deploy
	@$(CLIENTS)/deploy/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(CLIENTS)/node/.installed: tests/clients/package.json
	@echo "Installing prom-client into target/clients/node"
	@rm -rf $(CLIENTS)/node && mkdir -p $(CLIENTS)/node && cp $< $(CLIENTS)/node/
	@npm install --prefix $(CLIENTS)/node --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: browser
browser: ## Use the gateway's own pages, and look at the status page, in a real Chromium (installs it: about 500 MB)
	@tests/scripts/need.sh cc=build-essential cmake chromium node=nodejs npm \
	    file:/usr/share/javascript/jquery/jquery.min.js=libjs-jquery \
	    file:/usr/share/javascript/bootstrap4/js/bootstrap.min.js=libjs-bootstrap4
	@$(MAKE) -s $(CLIENTS)/browser/.installed
	PUSHGATEWAY="$$(tests/scripts/gateway.sh)" PUSHGUARD_CHROMIUM="$$(command -v chromium)" \
	    PUSHGUARD_BROWSER_MODULES=$(CLIENTS)/browser/node_modules PUSHGUARD_SCREENSHOT=$(CARGO_TARGET_DIR)/browser.png \
	    PUSHGUARD_STATUS_SCREENSHOTS=$(CARGO_TARGET_DIR)/status- \
	    cargo test --locked --test browser
	@echo "What it looked like: target/browser.png target/status-{light,dark}-{wide,narrow}.png"

$(CLIENTS)/browser/.installed: tests/browser/package.json
	@echo "Installing playwright-core into target/clients/browser"
	@rm -rf $(CLIENTS)/browser && mkdir -p $(CLIENTS)/browser && cp $< $(CLIENTS)/browser/
	@npm install --prefix $(CLIENTS)/browser --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: image-root
image-root: ## Do the steps of deploy/Dockerfile without an engine, and run what comes of them
	@tests/scripts/need.sh cc=build-essential cmake curl python3 unshare=util-linux ip=iproute2
	@tests/scripts/image-root.sh

.PHONY: dist
dist: ## Make target/dist/pushguard-VERSION.linux-ARCH.tar.gz of a static binary (ARCH=amd64), and its checksum
	@tests/scripts/need.sh cc=build-essential cmake
	@version="$$(sed -nE 's/^version = "(.*)"/\1/p' Cargo.toml | head -n 1)" && name="pushguard-$$version.linux-$(ARCH)" && \
	    mkdir -p target/dist && rm -rf "target/dist/$$name" && deploy/static.sh $(ARCH) "target/dist/$$name" && \
	    cp LICENSE README.md CHANGELOG.md "target/dist/$$name/" && \
	    cargo run --quiet --locked -- man "target/dist/$$name/man" && mkdir "target/dist/$$name/completions" && \
	    for shell in bash zsh fish; do \
	        cargo run --quiet --locked -- completions $$shell > "target/dist/$$name/completions/pushguard.$$shell"; done && \
	    cd target/dist && \
	    tar --owner=0 --group=0 --sort=name -czf "$$name.tar.gz" "$$name" && rm -r "$$name" && \
	    sha256sum "$$name.tar.gz" | tee "$$name.tar.gz.sha256"

.PHONY: e2e
e2e: ## End to end in network namespaces: gateway, pushguard, Prometheus, the action's script
	@tests/scripts/need.sh cc=build-essential cmake curl openssl python3 unshare=util-linux ip=iproute2
	@cargo build --locked
	@unshare --net $$([ "$$(id -u)" = 0 ] || echo --user --map-root-user) python3 tests/scripts/e2e.py \
	    "$(CARGO_TARGET_DIR)/debug/pushguard" "$$(tests/scripts/gateway.sh)" "$$(tests/scripts/prometheus.sh)"

.PHONY: audit
audit: ## Licences, banned crates and sources of all dependencies (cargo deny)
	@tests/scripts/tool.sh cargo-deny
	cargo deny --config .deny.toml --all-features --locked check --hide-inclusion-graph licenses bans sources
	@echo "Known vulnerabilities were not looked up; that needs the RustSec database: make advisories"

.PHONY: advisories
advisories: ## Known vulnerabilities of all dependencies; fetches the RustSec database
	@tests/scripts/tool.sh cargo-deny
	cargo deny --config .deny.toml --all-features --locked check advisories

.PHONY: fuzz
fuzz: ## Run each target of tests/fuzz for FUZZ_SECONDS=60 (nightly Rust)
	@tests/scripts/need.sh cc=build-essential cmake python3
	@tests/scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: measure
measure: ## Print idle memory, CPU per push beside bare forwarding by nginx, and what a password adds
	@tests/scripts/need.sh cc=build-essential cmake curl python3
	@cargo build --release --locked
	@PUSHGATEWAY="$$(tests/scripts/gateway.sh)" python3 tests/scripts/measure/measure.py

.PHONY: bench
bench: ## Measure against other crates: look-ups in the address list (../shared/data must be there), checks of bodies
	@tests/scripts/need.sh cc=build-essential cmake
	cargo bench --locked --bench ranges --bench payload

.PHONY: replay-speed
replay-speed: ## Replay a generated log of LINES=1000000 lines, print lines a second of one core and peak memory (release build)
	@tests/scripts/need.sh cc=build-essential cmake python3
	@cargo build --release --locked
	@python3 tests/scripts/replay_speed.py target/release/pushguard policies/github-actions.yaml target $(LINES)

.PHONY: bombs
bombs: ## Send bodies made to cost, print what they cost (release build)
	@tests/scripts/need.sh cc=build-essential cmake
	@cargo test --locked --release --test bombs -- --test-threads=1

.PHONY: slow
slow: ## Attack with slowhttptest for SLOW_SECONDS=60 each way, print how honest pushes fare
	@tests/scripts/need.sh cc=build-essential cmake curl python3 slowhttptest
	@cargo build --locked
	@python3 tests/scripts/slow.py target/debug/pushguard "$$(tests/scripts/gateway.sh)" $(SLOW_SECONDS) $(SLOW_CONNECTIONS)

.PHONY: logins
logins: ## Guess passwords with LOGIN_GUESSERS=2000 at once for LOGIN_SECONDS=30, print how honest logins fare; test timing
	@tests/scripts/need.sh cc=build-essential cmake curl python3
	@cargo build --release --locked
	@python3 tests/scripts/logins.py target/release/pushguard "$$(tests/scripts/gateway.sh)" $(LOGIN_SECONDS) $(LOGIN_GUESSERS)
	@PUSHGUARD_VOLUME=20000 cargo test --release --locked --lib gate::tests -- --nocapture

.PHONY: memory
memory: ## Attack a release build that may have 128 MiB for MEMORY_SECONDS=30 each way (as root: it makes a control group)
	@tests/scripts/need.sh cc=build-essential cmake curl python3
	@cargo build --release --locked
	@python3 tests/scripts/memory.py target/release/pushguard "$$(tests/scripts/gateway.sh)" $(MEMORY_SECONDS)

.PHONY: tls-scan
tls-scan: ## Scan a TLS listener with sslscan and testssl.sh, print what they find (three minutes)
	@tests/scripts/need.sh cc=build-essential cmake openssl python3 sslscan testssl=testssl.sh
	@cargo build --locked
	@python3 tests/scripts/tls_scan.py target/debug/pushguard

.PHONY: soak
soak: ## Work for SOAK_SECONDS=14400 (release build): honest, refused and cut requests, reloads; print what grows
	@tests/scripts/need.sh cc=build-essential cmake curl python3
	@cargo build --release --locked
	@python3 tests/scripts/soak.py target/release/pushguard "$$(tests/scripts/gateway.sh)" $(SOAK_SECONDS)

.PHONY: clean
clean: ## Remove all that was built, fetched or generated
	rm -rf target
