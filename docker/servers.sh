# The servers that everything is tested on, and their images. To be read by scripts that have the
# functions `say` and `fail`, and the directory `$logs`.

# name, suite, package and program. Each suite has its own version, which the table shows.
servers=(
    "redis-bookworm  bookworm redis-server  redis-server"
    "redis-trixie    trixie   redis-server  redis-server"
    "valkey-trixie   trixie   valkey-server valkey-server"
    "redis-forky     forky    redis-server  redis-server"
    "valkey-forky    forky    valkey-server valkey-server"
)
on_demand=(
    "redis-newest    newest   redis-server  redis-server"
    "valkey-newest   newest   valkey-server valkey-server"
)

# Fills the array `chosen` with the lines of the named servers; without names, of all but those on
# demand.
choose() {
    local line name
    for line in "${servers[@]}"; do
        read -r name _ <<<"$line"
        if [ $# = 0 ] || [[ " $* " == *" $name "* ]]; then chosen+=("$line"); fi
    done
    for line in "${on_demand[@]}"; do
        read -r name _ <<<"$line"
        if [[ " $* " == *" $name "* ]]; then chosen+=("$line"); fi
    done
    [ ${#chosen[@]} -gt 0 ] || fail "no server of the matrix is called: $*"
}

# Makes the image of one server. Docker's cache makes this cheap when nothing has changed.
server_image() {
    local name=$1 suite=$2 package=$3 added=
    # "newest" is not a suite. Packages from experimental need packages from unstable (sid).
    if [ "$suite" = newest ]; then suite=forky added="sid experimental"; fi
    docker/base-images.sh "$suite"
    docker build -t "redis-durable-server:$name" -f docker/server.Dockerfile --build-arg ADDED="$added" \
        --build-arg BASE="redis-durable-base:$suite" --build-arg PACKAGE="$package" docker >"$logs/$name.image.log" 2>&1 ||
        { tail -n 20 "$logs/$name.image.log" >&2; fail "the image of $name could not be made"; }
}
