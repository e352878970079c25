# One server to test on: a Debian suite and the server package of that suite.
# Used by docker/matrix, which lists the suites and packages, and by docker/make-image.
ARG BASE
FROM ${BASE}
ARG PACKAGE
# Additional suites to take packages from. The last one is preferred.
ARG ADDED=""
# Mirrors and snapshots of testing suites may have an expired index. Its signature is still checked.
# The policy file keeps the package from starting its service in the build.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d \
    && chmod +x /usr/sbin/policy-rc.d \
    && for suite in ${ADDED}; do echo "deb http://deb.debian.org/debian $suite main" >> /etc/apt/sources.list.d/added.list; done \
    && apt-get -o Acquire::Check-Valid-Until=false update -q \
    && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        ${ADDED:+-t "${ADDED##* }"} "${PACKAGE}" ca-certificates \
    && rm -rf /var/lib/apt/lists/*
