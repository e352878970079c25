# What there is to do here. `make` alone lists it.
#
# Debian and Ubuntu with git, make and Rust from rustup are enough: `make deps` installs the rest.

.DEFAULT_GOAL := help
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# rustup's own place is not on every make's PATH.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

target := $(or $(CARGO_TARGET_DIR),target)

# Where `make install` puts the module. DESTDIR is put in front, for packages. The services of Debian's
# servers execute nothing outside /usr/lib, so that where one is installed its modules' directory is
# the default, unless a PREFIX is given.
confined := $(if $(PREFIX),,$(shell grep -ls '^NoExecPaths=/' /lib/systemd/system/redis-server.service /lib/systemd/system/valkey-server.service))
PREFIX ?= /usr/local
MODULEDIR ?= $(if $(confined),/usr/lib/redis/modules,$(PREFIX)/lib/redis-durable)
LIBRARY ?= $(target)/release/libredis_durable.so
installed := $(MODULEDIR)/libredis_durable.so

.PHONY: help build install uninstall deps test test-host matrix image demo bench fuzz lint clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sort | awk -F ':.*## ' '{ sub(/:.*/, "", $$1); printf "make %-12s %s\n", $$1, $$2 }'

build: ## the module for production: target/release/libredis_durable.so
	@cargo build --release --locked --package redis-durable
	echo "$(target)/release/libredis_durable.so"

# By rename: a server that runs with the old file keeps it, while a file that is overwritten in place
# changes under its feet, and it crashes. Servers load no library without the right to execute it.
install: ## put what `make build` built where the server looks for modules (or MODULEDIR=…)
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
	    echo "the server's service here executes nothing outside /usr/lib: add MODULEDIR=/usr/lib/redis/modules (docs/install.md)"
	fi
	echo "a server that has it loaded goes on with the old one until it is restarted"

uninstall: ## take it away again
	@rm -f "$(DESTDIR)$(installed)"
	rmdir "$(DESTDIR)$(MODULEDIR)" 2>/dev/null || true

deps: ## install what building and testing need and this machine lacks (apt)
	@docker/deps

test: deps test-host ## everything: unit and integration tests here, then on every server of the matrix
	@if docker info >/dev/null 2>&1; then
	    docker/matrix
	    docker/image-check
	else
	    echo "no Docker engine answers: matrix skipped"
	fi

# The development profile first: it checks arithmetic and runs debug assertions, and it builds in a
# fraction of the time. Then the integration tests again on the very library that is shipped.
# The library is built by name, because cargo does not build a cdylib for the tests of its package.
test-host: ## unit and integration tests on the server installed here
	@cargo build --locked --package redis-durable
	cargo test --locked --workspace
	cargo build --release --locked --package redis-durable
	DURABLE_TEST_MODULE="$(abspath $(target))/release/libredis_durable.so" cargo test --locked --package redis-durable --test integration

matrix: ## the integration tests in a container for each supported server
	@docker/matrix

image: ## build the Docker image with the module and try it
	@docker/image-check

demo: deps ## show what the module does, on servers that it starts and ends by itself
	@cargo build --quiet --release --locked --package redis-durable
	cargo run --quiet --release --locked --package durable-demo

bench: deps ## measure durable writes and slot hints against their alternatives (ARGS="--help" lists options)
	@cargo build --quiet --release --locked --package redis-durable
	cargo run --quiet --release --locked --package durable-bench -- $(ARGS)

fuzz: ## the option parser and whole argument vectors under a fuzzer, SECONDS_EACH=60 (installs cargo-fuzz; needs a C++ compiler)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	for name in options vectors; do
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$$name" -- -max_total_time="$${SECONDS_EACH:-60}"
	done

lint: ## formatting and clippy, warnings are errors; and that the fuzz targets still fit
	@cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo check --locked --quiet --manifest-path fuzz/Cargo.toml --no-default-features --target-dir "$(target)/fuzz-check"

clean: ## remove what was built
	@cargo clean
