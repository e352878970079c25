# The build image for docker/Dockerfile if rust:1-bookworm cannot be pulled. It is a Debian base
# with the Rust toolchain and the trusted certificates of this machine. docker/base-images.sh makes
# it, and puts both into the build context.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
    && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        ca-certificates gcc libc6-dev libclang-dev \
    && rm -rf /var/lib/apt/lists/*
COPY rust /usr/local
COPY certificates/ /etc/ssl/certs/
