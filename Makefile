# All tasks of this repository. `make` alone lists them.
#
# They need Debian or Ubuntu with git, make and Rust from rustup. `make deps` installs the rest.

.DEFAULT_GOAL := help
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# rustup's directory may be missing from PATH.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

target := $(or $(CARGO_TARGET_DIR),target)

# Where `make install` puts the module. DESTDIR goes in front, for building packages. The services
# of Debian's servers load libraries from /usr/lib and /lib only: their unit files have the line
# NoExecPaths=/. If there is such a unit file and no PREFIX is given, the default is
# /usr/lib/redis/modules.
confined := $(if $(PREFIX),,$(shell grep -ls '^NoExecPaths=/' /lib/systemd/system/redis-server.service /lib/systemd/system/valkey-server.service))
PREFIX ?= /usr/local
MODULEDIR ?= $(if $(confined),/usr/lib/redis/modules,$(PREFIX)/lib/redis-durable)
LIBRARY ?= $(target)/release/libredis_durable.so
installed := $(MODULEDIR)/libredis_durable.so

.PHONY: help build install uninstall deps test test-host test-python test-faults counter-test matrix image compose demo chaos chaos-check monitoring-check docs docs-fill docs-write book model bench bench-core bench-instructions bench-memory scaling fuzz lint audit dist glibc-check dist-check clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sort | awk -F ':.*## ' '{ sub(/:.*/, "", $$1); printf "make %-18s %s\n", $$1, $$2 }'

build: ## the module for production: target/release/libredis_durable.so
	@cargo build --release --locked --package redis-durable
	echo "$(target)/release/libredis_durable.so"

# Replaces the file by rename, so a running server keeps the old one. Overwriting a loaded file in
# place crashes the server. The mode is 0755, because servers load only executable libraries.
install: ## install the library that `make build` built, for the server to load (or MODULEDIR=…)
	@if [ ! -f "$(LIBRARY)" ]; then
	    echo "there is no $(LIBRARY): run make build first, as yourself" >&2
	    exit 1
	fi
	install -d -m 0755 "$(DESTDIR)$(MODULEDIR)"
	new=$$(mktemp "$(DESTDIR)$(installed).XXXXXX")
	trap 'rm -f "$$new"' EXIT
	install -m 0755 "$(LIBRARY)" "$$new"
	mv -f "$$new" "$(DESTDIR)$(installed)"
	echo "installed $(DESTDIR)$(installed)"
	echo "for redis.conf: loadmodule $(installed)"
	if [[ "$(MODULEDIR)" != /usr/lib/* ]] && grep -qs '^NoExecPaths=/' /lib/systemd/system/{redis,valkey}-server.service; then
	    echo "the server's service on this machine executes nothing outside /usr/lib: add MODULEDIR=/usr/lib/redis/modules (docs/install.md)"
	fi
	echo "running servers keep the old library until they are restarted"

uninstall: ## remove the installed module
	@rm -f "$(DESTDIR)$(installed)"
	rmdir "$(DESTDIR)$(MODULEDIR)" 2>/dev/null || true

deps: ## install missing packages for building and testing (apt)
	@docker/deps

test: deps ## everything: unit and integration tests here, then on every server of the matrix, the image, Compose, the documentation, the library for releases, monitoring, the Python package, the fault lab
	@if docker info >/dev/null 2>&1; then
	    $(MAKE) --no-print-directory test-host IN_MATRIX=1
	    docker/matrix
	    image=redis-durable:test-$$$$
	    trap 'docker rmi "$$image" >/dev/null 2>&1 || true' EXIT
	    docker/make-image "$$image"
	    docker/image-check "$$image"
	    docker/compose-check "$$image"
	    $(MAKE) --no-print-directory docs SERVER=redis-forky
	else
	    $(MAKE) --no-print-directory test-host
	    $(MAKE) --no-print-directory docs
	    echo "no Docker engine answers: the matrix, the image and the Compose files are not tested"
	fi
	$(MAKE) --no-print-directory glibc-check
	$(MAKE) --no-print-directory monitoring-check
	$(MAKE) --no-print-directory test-python
	$(MAKE) --no-print-directory chaos-check

# The clients of the examples, by a program or a file, and Debian's package of it.
client_deps := node=nodejs /usr/share/nodejs/redis=node-redis php=php-cli /usr/lib/php/*/redis.so=php-redis \
    ruby=ruby /usr/share/rubygems-integration/all/gems/redis-*=ruby-redis jq=jq \
    go=golang-go /usr/share/gocode/src/gopkg.in/redis.v5=golang-gopkg-redis.v5-dev \
    /usr/include/hiredis/hiredis.h=libhiredis-dev

# First in the development profile: it checks arithmetic, runs debug assertions, and builds much
# faster. Then the integration tests again, on the release library. Each library is built by name,
# because cargo does not build a cdylib for the tests of its own package. The matrix runs the release
# library itself. The tests of groups with two versions need a library with other formats.
other_version := cargo build --locked --package redis-durable --features other-version --target-dir "$(target)/other-version"
test-host: ## unit and integration tests on the server installed here
	@docker/deps $(client_deps)
	cargo build --locked --package redis-durable
	$(other_version)
	cargo test --locked --workspace
	if [ -z "$(IN_MATRIX)" ]; then
	    cargo build --release --locked --package redis-durable
	    DURABLE_TEST_MODULE="$(abspath $(target))/release/libredis_durable.so" cargo test --locked --package redis-durable --test integration
	fi

# The package of the exporter has its program's name. DURABLE_TEST_EXPORTER names another one.
monitoring_deps := promtool=prometheus prometheus-redis-exporter
monitoring-check: deps ## check monitoring/: alerts, dashboard and script against a server, redis_exporter and Prometheus
	@docker/deps $(monitoring_deps)
	cargo build --quiet --locked --package redis-durable
	cargo test --locked --package durable-top --test monitoring

# The packages from PyPI are in a virtual environment, which is made again when their list changes.
# Most tests wait for servers, so four run at once. DURABLE_TEST_MODULE names a library that is
# already there.
python_env := $(target)/python-client
test-python: deps ## the Python package in clients/python: types, style, and tests on the server installed here
	@if [ -z "$${DURABLE_TEST_MODULE:-}" ]; then
	    cargo build --quiet --release --locked --package redis-durable
	    export DURABLE_TEST_MODULE="$(abspath $(target))/release/libredis_durable.so"
	fi
	env="$(abspath $(python_env))"
	cd clients/python
	if ! cmp -s requirements-test.txt "$$env/requirements"; then
	    rm -rf "$$env"
	    python3 -m venv "$$env"
	    "$$env/bin/pip" install --quiet --disable-pip-version-check --requirement requirements-test.txt
	    cp requirements-test.txt "$$env/requirements"
	fi
	"$$env/bin/ruff" check --quiet --cache-dir "$$env/ruff" .
	"$$env/bin/ruff" format --check --quiet --cache-dir "$$env/ruff" .
	"$$env/bin/mypy" --cache-dir "$$env/mypy"
	PYTHONDONTWRITEBYTECODE=1 "$$env/bin/pytest" --quiet -p no:cacheprovider --numprocesses 4 $(ARGS)

# Not part of `make test`: it lasts minutes, and its control runs count on many faults.
test-faults: deps ## DURABLE.ONCE under faults: 100,000 increments by clients in Python that retry
	@cargo build --release --locked --package redis-durable
	DURABLE_TEST_MODULE="$(abspath $(target))/release/libredis_durable.so" cargo test --locked --package redis-durable-client --test python_once

# SERVER is a server of the matrix (redis-forky), or a server's binary; several, separated by spaces,
# are played at once. The module is the release, the lab itself is not: it only waits.
lab := $(target)/debug/durable-chaos
chaos_deps := ip=iproute2 unshare=util-linux
chaos: deps ## break real servers and check what they promised (SEED= ROUNDS= SERVER= SCENARIO= SYSTEM= LIMIT=minutes FAILOVER=1 [REPLICAS=4 GUARANTEED=2 TURNS=]; needs root)
	@docker/deps $(chaos_deps)
	cargo build --quiet --release --locked --package redis-durable
	cargo build --quiet --locked --package durable-chaos
	servers=""
	for server in $${SERVER:-redis-server}; do
	    if [ ! -e "$$server" ] && ! command -v "$$server" >/dev/null; then
	        server=$$(docker/server-files "$$server")
	    fi
	    servers+=$${servers:+,}$$server
	done
	called=$${SERVER:-}
	"$(lab)" --server "$$servers" --module "$(target)/release/libredis_durable.so" --report "$(target)/chaos" \
	    $${called:+--called "$${called// /,}"} $${SEED:+--seed "$$SEED"} $${ROUNDS:+--rounds "$$ROUNDS"} $${SCENARIO:+--scenario "$$SCENARIO"} $${SYSTEM:+--system "$$SYSTEM"} $${ROUND_SEED:+--round-seed "$$ROUND_SEED"} $${LIMIT:+--limit "$$LIMIT"} \
	    $${FAILOVER:+--failover} $${REPLICAS:+--replicas "$$REPLICAS"} $${GUARANTEED:+--guaranteed "$$GUARANTEED"} $${TURNS:+--turns "$$TURNS"}

# The lab has to find what is wrong, and to say nothing else. Then a short run on the server
# installed here and on a Valkey.
chaos-check: deps ## test the fault lab, and run it for some minutes (needs root)
	@docker/deps $(chaos_deps)
	cargo build --quiet --release --locked --package redis-durable
	cargo build --quiet --locked --package durable-chaos
	if ! "$(lab)" --probe; then
	    echo "the fault lab is skipped"
	    exit 0
	fi
	cargo build --quiet --locked --package redis-durable --features mistakes --target-dir "$(target)/mistakes"
	export DURABLE_TEST_MODULE="$(abspath $(target))/release/libredis_durable.so"
	export DURABLE_TEST_MISTAKES="$(abspath $(target))/mistakes/debug/libredis_durable.so"
	cargo test --locked --package durable-chaos --test lab -- --test-threads 1
	"$(lab)" --seed 7 --rounds 8 --may-say-nothing 2 --module "$$DURABLE_TEST_MODULE" --report "$(target)/chaos-check"
	"$(lab)" --seed 9 --rounds 6 --may-say-nothing 1 --failover --turns 6 --scenario kill,restart-empty,again-and-again,replicas-down,bumped-epoch,by-hand --module "$$DURABLE_TEST_MODULE" --report "$(target)/chaos-check-group"
	if docker info >/dev/null 2>&1; then
	    "$(lab)" --seed 8 --rounds 8 --may-say-nothing 2 --server "$$(docker/server-files valkey-forky)" --module "$$DURABLE_TEST_MODULE" --report "$(target)/chaos-check-valkey"
	else
	    echo "no Docker engine answers: the run on Valkey is skipped"
	fi

# On the user's own servers, so it needs no server here. The development profile builds faster, and
# the test sends few commands a second. The program reads PASSWORD from its environment: make passes
# it on, whether it is set there or on make's command line.
counter-test: ## count while you kill and restart servers of your own: HOST=… PORT=… [PASSWORD=…] [SECONDS=60] [CLUSTER=1|SENTINEL=name] [TLS=1] [ARGS="--help"]
	@cargo run --quiet --locked --package durable-counter-test -- "$(or $(HOST),127.0.0.1):$(or $(PORT),6379)" \
	    --seconds "$(or $(SECONDS),60)" $(if $(CLUSTER),--cluster) $(if $(SENTINEL),--sentinel "$(SENTINEL)") $(if $(TLS),--tls) $(ARGS)

# The development profile is enough: the examples wait for servers. DURABLE_TEST_MODULE names a
# library that is already there. Some examples need Redis 7.2 or later, so `make test` also runs them
# on a server of the matrix.
docs_tool = cargo run --quiet --locked --package durable-docs --
docs: deps ## execute the examples of README.md and docs/, and check the links (PAGES="docs/once.md" SERVER=redis-forky)
	@if [ -z "$${DURABLE_TEST_MODULE:-}" ]; then cargo build --quiet --locked --package redis-durable; fi
	if [ -n "$(SERVER)" ]; then
	    server="$(SERVER)"
	    if [ ! -e "$$server" ]; then server=$$(docker/server-files "$$server"); fi
	    export DURABLE_TEST_SERVER="$$server"
	fi
	$(docs_tool) check $(PAGES)

docs-fill: deps ## write the replies into these pages that have `?` in their place (PAGES="docs/once.md")
	@if [ -z "$${DURABLE_TEST_MODULE:-}" ]; then cargo build --quiet --locked --package redis-durable; fi
	$(docs_tool) fill $(PAGES)

docs-write: deps ## write the pages of the family, such as docs/commands/durable.incr.md (on Redis 7.0)
	@if [ -z "$${DURABLE_TEST_MODULE:-}" ]; then cargo build --quiet --locked --package redis-durable; fi
	$(docs_tool) write

# Not part of `make test`: to build mdBook takes minutes.
mdbook := $(target)/mdbook/bin/mdbook
book: ## make target/book from docs/, with mdBook (installs it from crates.io into target/mdbook, some minutes)
	@if [ ! -x "$(mdbook)" ]; then
	    cargo install --quiet --locked --version 0.5.4 --root "$(target)/mdbook" mdbook
	fi
	"$(mdbook)" build docs --dest-dir "$(abspath $(target))/book"
	echo "$(abspath $(target))/book/index.html"

# Not part of `make test`: the searches have time limits, so a slow machine finds less.
model: ## search the model of failover for lost writes, with every rule and without each of them
	@cargo test --release --locked --package durable-failover --features weakened --test model -- --test-threads 1

# Links with Zig, so the library needs no newer glibc than Rust itself. Tools of fixed versions are
# installed once, in a directory of their own (packaging/tools).
dist: deps ## the files of a release, in target/dist/: tarball, packages, sums, bill of materials (TARGET=aarch64-unknown-linux-gnu, …-musl)
	@packaging/make-dist $(TARGET)

glibc-check: deps ## build the library as `make dist` does, and see that it needs no newer glibc than is promised
	@packaging/make-dist --library $(TARGET)

dist-check: deps ## build the files of a release, and test them in clean containers
	@docker/deps strip=binutils
	files=$$(packaging/make-dist)
	packaging/check "$$files"

matrix: ## the integration tests in a container for each supported server
	@docker/matrix

image: ## build the Docker image with the module and test it
	@docker/image-check

compose: ## test docker/compose.yaml and docker/compose.cluster.yaml, with failovers
	@docker/compose-check

demo: deps ## show what the module does, on servers that the demo starts and ends
	@cargo build --quiet --release --locked --package redis-durable
	cargo run --quiet --release --locked --package durable-demo

bench: deps ## measure durable writes and slot hints against their alternatives (ARGS="--help" lists options)
	@cargo build --quiet --release --locked --package redis-durable --package durable-least
	cargo run --quiet --release --locked --package durable-bench -- $(ARGS)

bench-core: ## measure the ledger, the option parser and the slot map alone (ARGS="--bench ledger -- --quick" chooses)
	@cargo bench --locked --package durable-core $(ARGS)

bench-instructions: deps ## count the instructions of durable writes with callgrind (ARGS="--help" lists options; installs valgrind)
	@docker/deps valgrind
	cargo build --quiet --release --locked --package redis-durable --package durable-least
	cargo run --quiet --release --locked --package durable-instructions -- $(ARGS)

scaling: deps ## compute what far replicas, many clients and many shards cost (ARGS="--help" lists options)
	@cargo build --quiet --release --locked --package redis-durable
	cargo run --quiet --release --locked --package durable-scaling -- $(ARGS)

bench-memory: deps ## measure the memory of waiting clients and of ended waits (ARGS="--help" lists options)
	@cargo build --quiet --release --locked --package redis-durable
	cargo run --quiet --release --locked --package durable-memory -- $(ARGS)

fuzz: ## fuzz the option parser and whole argument vectors, SECONDS_EACH=60 (installs cargo-fuzz; needs a C++ compiler)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	for name in options vectors; do
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$$name" -- -max_total_time="$${SECONDS_EACH:-60}"
	done

# Without advisories: they are in a git repository that not every machine reaches. `make audit` looks
# at them.
lint: ## check formatting, clippy (warnings are errors), that the fuzz targets compile, and the dependencies' licences and sources
	@cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo check --locked --quiet --manifest-path fuzz/Cargo.toml --no-default-features --target-dir "$(target)/fuzz-check"
	PATH=$$(packaging/tools cargo-deny):$$PATH
	cargo deny --locked --workspace check --hide-inclusion-graph bans licenses sources
	cargo deny --locked --manifest-path fuzz/Cargo.toml check --hide-inclusion-graph bans sources

audit: ## compare the dependencies with the advisories of the RustSec database (downloads it from GitHub)
	@PATH=$$(packaging/tools cargo-deny):$$PATH
	cargo deny --locked --workspace check --hide-inclusion-graph advisories

clean: ## remove build output
	@cargo clean
