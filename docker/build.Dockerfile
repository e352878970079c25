# The image that docker/Dockerfile builds the module in where rust:1-bookworm cannot be pulled: a Debian
# base, and the Rust toolchain and the trusted certificates of the machine. Made by docker/base-images.sh,
# which puts both into the build context.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
    && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        ca-certificates gcc libc6-dev libclang-dev \
    && rm -rf /var/lib/apt/lists/*
COPY rust /usr/local
COPY certificates/ /etc/ssl/certs/
