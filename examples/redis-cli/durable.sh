#!/usr/bin/env bash
# Durable writes and slot hints with redis-cli 7 in a script.
#
#     durable.sh write|retry|fence 127.0.0.1 6379
#     durable.sh prefill 127.0.0.1 7000              a node of a cluster
#
# docs/clients/redis-cli.md explains it.
set -euo pipefail

what=$1 host=$2 port=$3

# -e: the exit status is 1 after an error reply.
call() { redis-cli -e -h "$host" -p "$port" "$@"; }

# Prints the reply. If it is an error, prints that and returns 1.
try() { call "$@" 2>&1; }

write() {
    local key=$1 value=$2 reply
    if reply=$(try DURABLE.SET "$key" "$value"); then
        echo "$key is durable"
        return
    fi
    case $reply in
        NOREPLICAS* | OVERLOADED*) echo "not executed: $reply"; return ;;
        UNACKED*) ;;
        *) echo "$reply" >&2; return 1 ;;
    esac
    # It is on the primary. The replicas may have it by now.
    if reply=$(try DURABLE.WAIT); then
        echo "$key is durable, confirmed by $reply replicas"
        return
    fi
    case $reply in
        UNACKED*) echo "executed, not confirmed: $reply" ;;
        *) echo "$reply" >&2; return 1 ;;
    esac
}

# Sends a command until there is a reply. All tries have one id, so it is executed once.
once() {
    local id reply end=$((SECONDS + 60)) # less than durable.once-ttl-ms
    id=$(cat /proc/sys/kernel/random/uuid)
    until reply=$(try DURABLE.ONCE "$id" "$@"); do
        case $reply in
            UNACKED* | UNBLOCKED* | NOREPLICAS* | OVERLOADED* | READONLY* | TRYAGAIN*) ;;
            CLUSTERDOWN* | MASTERDOWN* | LOADING* | OOM* | MISCONF* | "BUSY "*) ;;
            "Error: "* | "Could not connect "*) ;; # the connection broke, or there is none
            *) echo "$reply" >&2; return 1 ;;
        esac
        if ((SECONDS > end)); then
            echo "the outcome of $id is unknown: $reply" >&2
            return 1
        fi
        sleep 0.05
    done
    echo "$reply"
}

# --pipe sends everything at once, and does not print the replies. It counts the errors.
fence() {
    local key output
    if output=$(
        {
            for key in "$@"; do echo "SET $key v"; done
            echo "DURABLE.WAIT"
        } | redis-cli -h "$host" -p "$port" --pipe 2>&1
    ); then
        echo "$# writes, acknowledged"
        return
    fi
    case $output in
        # One error, and it is that of the fence.
        *UNACKED*"errors: 1,"*)
            echo "executed, not confirmed: $(grep -o 'UNACKED.*' <<<"$output")"
            ;;
        *) echo "$output" >&2; return 1 ;;
    esac
}

# Writes many keys of a cluster. SLOTHINT tells the owners first, so no node answers MOVED.
set_all() {
    local keys=("$@") round owner key
    declare -A owners=()
    for round in 1 2 3 4 5; do
        ((${#keys[@]} > 0)) || break
        local again=() name="" reply
        declare -A batches=()
        # A line for each key: its owner's host and port. null, "" and "?" mean the host of this
        # connection. -1: the slot has no owner now.
        while read -r owner; do
            key=${keys[0]} keys=("${keys[@]:1}")
            if [ "$owner" = none ]; then again+=("$key"); else batches[$owner]+=" $key"; fi
        done < <(
            call --json SLOTHINT "${keys[@]}" | jq -r --arg here "$host" '
                .[1] as $nodes | .[2][] | .[1] as $index |
                if $index < 0 then "none" else $nodes[$index] |
                    (if .[0] == null or .[0] == "" or .[0] == "?" then $here else .[0] end)
                    + " " + (.[1] | tostring) end'
        )
        for owner in "${!batches[@]}"; do
            owners[$owner]=1
            read -ra batch <<<"${batches[$owner]}"
            # One reply in each line, in the order of the keys.
            while read -r name reply; do
                case $reply in
                    OK) ;;
                    MOVED* | ASK* | TRYAGAIN*) again+=("$name") ;; # moved since, or moving
                    *) echo "$name: $reply" >&2; return 1 ;;
                esac
            done < <(paste -d ' ' <(printf '%s\n' "${batch[@]}") \
                <(printf 'SET %s v\n' "${batch[@]}" | redis-cli -h "${owner% *}" -p "${owner#* }"))
        done
        keys=("${again[@]}")
        unset batches
    done
    if ((${#keys[@]} > 0)); then
        echo "not written: ${keys[*]}" >&2
        return 1
    fi
    echo "${#owners[@]}"
}

keys=()
for number in {0..99}; do keys+=("key:$number"); done
case $what in
    write) write order:1 paid ;;
    retry) orders=$(once INCR orders) && echo "orders: $orders" ;;
    fence) fence "${keys[@]}" ;;
    prefill) nodes=$(set_all "${keys[@]}") && echo "${#keys[@]} keys on $nodes nodes" ;;
    *) echo "write, retry, fence or prefill?" >&2; exit 1 ;;
esac
