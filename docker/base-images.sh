#!/usr/bin/env bash
# Makes the base images of the other images, one for each suite on the command line:
#
#   docker/base-images.sh bookworm trixie forky     redis-durable-base:<suite>
#   docker/base-images.sh build                     redis-durable-build:bookworm
#
# Existing images are kept. A base image is pulled from a registry if one answers. Otherwise
# debootstrap makes it from Debian's packages, which needs root or sudo.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '%s\n' "base-images: $*"; }
fail() { say "$*" >&2; exit 1; }
exists() { docker image inspect "$1" >/dev/null 2>&1; }

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "root or sudo is needed for: $*"
    fi
}

need_debootstrap() {
    # debootstrap is in /usr/sbin, which is not on every user's PATH.
    PATH=$PATH:/usr/sbin:/sbin
    command -v debootstrap >/dev/null && return
    command -v apt-get >/dev/null || fail "no registry answers and there is no debootstrap: install it"
    say "installing debootstrap"
    as_root apt-get update -q </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y debootstrap </dev/null
}

base() {
    local suite=$1 image=redis-durable-base:$1 root script=() status=0
    exists "$image" && return
    if timeout 120 docker pull -q "debian:$suite-slim" >/dev/null 2>&1; then
        say "$image is debian:$suite-slim"
        docker tag "debian:$suite-slim" "$image"
        return
    fi
    need_debootstrap
    say "$image: no image can be pulled; debootstrap makes it"
    root=$(mktemp -d)
    # A debootstrap older than the suite does not know its name. The script for sid works for it.
    [ -e "/usr/share/debootstrap/scripts/$suite" ] || script=(http://deb.debian.org/debian sid)
    as_root debootstrap --variant=minbase "$suite" "$root" "${script[@]}" >"$root.log" 2>&1 </dev/null || status=$?
    if [ "$status" = 0 ]; then
        # The image includes the empty /tmp, which servers and tests need.
        as_root tar -C "$root" --exclude=./proc/* --exclude=./sys/* -c . | docker import - "$image" >/dev/null || status=$?
    else
        tail -n 20 "$root.log" >&2
    fi
    as_root rm -rf "$root"
    rm -f "$root.log"
    [ "$status" = 0 ] || fail "$image could not be made"
    say "$image is made"
}

build() {
    local image=redis-durable-build:bookworm context sysroot status=0
    exists "$image" && return
    if timeout 600 docker pull -q rust:1-bookworm >/dev/null 2>&1; then
        say "$image is rust:1-bookworm"
        docker tag rust:1-bookworm "$image"
        return
    fi
    base bookworm
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    sysroot=$(rustc --print sysroot)
    say "$image: no image can be pulled; it is made from the toolchain in $sysroot"
    context=$(mktemp -d)
    mkdir "$context/rust"
    tar -C "$sysroot" --exclude=./share -c . | tar -C "$context/rust" -x
    # A proxy may use its own certificate authority. The image must trust what this machine trusts.
    mkdir "$context/certificates"
    if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
        cp /etc/ssl/certs/ca-certificates.crt "$context/certificates/"
    fi
    docker build -q -t "$image" -f build.Dockerfile --build-arg BASE=redis-durable-base:bookworm "$context" >/dev/null || status=$?
    rm -rf "$context"
    [ "$status" = 0 ] || fail "$image could not be made"
    say "$image is made"
}

[ $# -gt 0 ] || fail "name the suites to make, or 'build'"
for wanted in "$@"; do
    case $wanted in
        build) build ;;
        *) base "$wanted" ;;
    esac
done
