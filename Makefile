# The commands of this project. `make help` lists them.

.DEFAULT_GOAL := help

.PHONY: help
help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: ## Build the release binary with every feature (polars too: some 8 minutes on 2 cores when cold)
	cargo build --release --locked --workspace --all-features

.PHONY: test
test: ## Run every test; with CARBON_KUBE_TEST_DATA=DIR also those on real files
	cargo test --locked --workspace --all-features

.PHONY: lint
lint: ## Check format and lints, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- --deny warnings
	cargo clippy --locked --workspace --all-features $(E2E) --test throughput -- --deny warnings

# The tests that each start a control plane; `--all-targets` leaves them out.
E2E = --test control_plane --test extender --test poller --test tuner --test import \
	--test parity --test chart --test observability

.PHONY: e2e
e2e: ## Run the end-to-end tests on a real etcd, kube-apiserver and kube-scheduler (needs Go; 10 minutes more when cold)
	cargo build --locked --workspace --all-features --bins
	CARBON_KUBE_E2E_BINARIES="$(abspath $(or $(CARGO_TARGET_DIR),target))/debug" \
		cargo test --locked --workspace --all-features $(E2E) -- --test-threads 1 --nocapture

.PHONY: dashboards
dashboards: ## Draw the dashboards' queries, as a real Prometheus answers them under load, into docs/pictures (3 minutes)
	cargo build --locked --workspace --all-features --bins
	CARBON_KUBE_E2E_BINARIES="$(abspath $(or $(CARGO_TARGET_DIR),target))/debug" \
		cargo test --locked --workspace --all-features --test observability -- --ignored --nocapture the_dashboards_are_drawn

.PHONY: openapi
openapi: ## Hold a running extender to what it says of itself at /openapi.json, by schemathesis (needs Python)
	services/extender/openapi-check

.PHONY: chart
chart: ## Make the Helm chart's README, check every variant, pack it into target/chart (needs Go)
	charts/build

# Programs that have an image.
PROGRAMS ?= carbon-kube-extender carbon-kube-poller carbon-kube-tuner carbon-kube
REGISTRY ?= ghcr.io/carbon-kube
VERSION ?= 0.1.0

.PHONY: images
images: ## Build the images (needs Docker with buildx); PUSH=1, PLATFORMS=linux/amd64,linux/arm64, PROGRAMS=...
	for program in $(PROGRAMS); do \
		docker buildx build . --build-arg PROGRAM=$$program --build-arg VERSION=$(VERSION) \
			--build-arg REVISION="$$(git rev-parse HEAD)" --tag $(REGISTRY)/$$program:$(VERSION:v%=%) \
			$(if $(PLATFORMS),--platform $(PLATFORMS)) $(if $(PUSH),--sbom=true --provenance=true --push) $(CACHE) \
			|| exit 1; \
	done

.PHONY: image-test
image-test: ## Run the extender as its image does: static, user 65532, nothing writable (needs bubblewrap)
	e2e/image.sh

.PHONY: lint-files
lint-files: ## Check Dockerfile, scripts and workflows by hadolint, shellcheck and actionlint
	.ci/lint-files

.PHONY: doc
doc: ## Build the API documentation, warnings denied
	RUSTDOCFLAGS="--deny warnings" cargo doc --locked --workspace --all-features --no-deps

.PHONY: bench
bench: ## Measure the figures of docs/performance.md; LOAD=1 also puts the extender under load
	cargo bench --locked -p carbon-kube-sim
	services/extender/benches/instructions.sh
	$(if $(LOAD),services/extender/benches/load.sh)

.PHONY: load
load: ## Put the extender under load on this machine: 6 minutes, two cores
	services/extender/benches/load.sh

FUZZ = services/extender/fuzz
FUZZ_READERS = datasets/fuzz

.PHONY: fuzz
fuzz: fuzz-readers fuzz-providers ## Fuzz requests, documents, readers and answers of providers, a minute each or RUNS=N inputs each (needs cargo-fuzz and a nightly compiler)
	cp Cargo.lock $(FUZZ)/Cargo.lock
	cargo run --locked -p carbon-kube-extender --example fuzz_seeds -- $(FUZZ)/corpus
	cd $(FUZZ) && cargo +nightly fuzz run request -- -dict=protocol.dict $(FUZZ_LIMIT)
	cd $(FUZZ) && cargo +nightly fuzz run documents -- -dict=documents.dict $(FUZZ_LIMIT)

.PHONY: fuzz-readers
fuzz-readers: ## Fuzz the readers of grid data, workload traces and cluster objects
	cp Cargo.lock $(FUZZ_READERS)/Cargo.lock
	cargo run --locked -p carbon-kube-datasets --example fuzz_seeds -- $(FUZZ_READERS)/corpus
	cd $(FUZZ_READERS) && cargo +nightly fuzz run $(FUZZ_SAFE) grid -- $(FUZZ_SHORT)
	cd $(FUZZ_READERS) && cargo +nightly fuzz run $(FUZZ_SAFE) workload -- $(FUZZ_SHORT)
	cd $(FUZZ_READERS) && cargo +nightly fuzz run $(FUZZ_SAFE) kubernetes -- $(FUZZ_SHORT)

FUZZ_PROVIDERS = services/providers/fuzz
ANSWERS = ../tests/providers/bodies

.PHONY: fuzz-providers
fuzz-providers: ## Fuzz the parsers of what providers answer
	cp Cargo.lock $(FUZZ_PROVIDERS)/Cargo.lock
	cd $(FUZZ_PROVIDERS) && set -e; for answer in $(notdir $(wildcard services/providers/tests/providers/bodies/*)); do \
		mkdir -p corpus/$$answer; \
		cargo +nightly fuzz run $(FUZZ_SAFE) $$answer corpus/$$answer $(ANSWERS)/$$answer -- $(FUZZ_SHORT); \
	done

# No address sanitizer: our code is forbidden to be unsafe, and what is looked for are panics. Overflow checks
# and debug assertions stay on. Rows repeat, so short inputs find as much, sooner.
FUZZ_SAFE = --sanitizer none -O -a
FUZZ_SHORT = $(FUZZ_LIMIT:4096=1024) -rss_limit_mb=4096 -reload=0
FUZZ_LIMIT = -max_len=4096 -timeout=10 $(if $(RUNS),-runs=$(RUNS),-max_total_time=60)

# Packages whose lines are counted, and where the instrumented build is: it shares nothing with others.
COVERED ?= --workspace
COVERAGE = $(abspath $(or $(CARGO_TARGET_DIR),target))/coverage

.PHONY: coverage
coverage: ## Count the lines that the tests run, by crate; COVERED='-p NAME' for some, END_TO_END=1 for `e2e` too (needs cargo-llvm-cov; an hour when cold)
	mkdir -p "$(COVERAGE)" && rm -f "$(COVERAGE)"/*.profraw
	export CARGO_TARGET_DIR="$(COVERAGE)" && eval "$$(cargo llvm-cov show-env --sh)" && \
		{ cargo test --locked $(COVERED) --all-features --no-fail-fast || echo 'failed tests count by what they ran'; } && \
		$(if $(END_TO_END),$(MAKE) e2e && )cargo llvm-cov report --lcov --output-path "$(COVERAGE)/coverage.lcov"
	docs/coverage "$(COVERAGE)/coverage.lcov"

.PHONY: quickstart
quickstart: ## Run the first scenario
	cargo run --release --locked -- sim run scenarios/quickstart.yaml

.PHONY: notebooks
notebooks: ## Execute the notebooks against a fresh run (needs Python 3.11 and its packages; skips without)
	notebooks/test.sh

.PHONY: infra
infra: ## Check infra/ against published schemas; needs no account (Node 20, Python; the chart's part needs Go)
	infra/check

.PHONY: book
book: ## Build the book of docs/ into target/book, links and spelling checked
	docs/check target/book

.PHONY: golden
golden: ## Write the golden files anew; read the difference before you commit it
	UPDATE_GOLDEN=1 INSTA_UPDATE=always cargo test --locked --workspace
	docs/generate

.PHONY: deny
deny: ## Check licences, sources and advisories of dependencies (needs cargo-deny)
	cargo deny check
