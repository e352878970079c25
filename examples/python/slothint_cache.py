"""A key-to-node cache on redis-py. SLOTHINT fills it, MOVED corrects it, ASK is not stored.

    python3 slothint_cache.py 127.0.0.1 7000 [--decode-responses]        needs: pip install redis

Any client can do this. It needs the slot of a key, one extra command, and a dictionary. This
example does not retry when nodes fail, and waits for one reply at a time. Pipelines to each node
work too.
"""
import sys

import redis
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError


class SlotCache:
    def __init__(self, host, port, **options):
        self.default, self.options = (host, port), options
        self.slots, self.connections, self.redirects = {}, {}, 0

    def node(self, address):
        if address not in self.connections:
            self.connections[address] = redis.Redis(*address, **self.options)
        return self.connections[address]

    def prefill(self, keys):
        _token, nodes, hints = self.node(self.default).execute_command("SLOTHINT", *keys)
        for slot, index in hints:
            if index >= 0:  # -1: the slot has no owner
                host, port = nodes[index][:2]
                # str with decode_responses=True, otherwise bytes.
                host = host.decode() if isinstance(host, bytes) else host
                # nil, "" and "?" (a missing host name) mean the host of this connection.
                self.slots[slot] = (host if host not in (None, "", "?") else self.default[0], port)

    def run(self, key, *command):
        slot, asking = key_slot(key.encode()), False
        address = self.slots.get(slot, self.default)
        for _ in range(16):
            pipe = self.node(address).pipeline(transaction=False)
            if asking:
                pipe.execute_command("ASKING")
            pipe.execute_command(*command)
            try:
                return pipe.execute()[-1]
            except AskError as redirect:  # MovedError is a subclass
                self.redirects += 1
                host = redirect.host if redirect.host not in ("", "?") else address[0]
                address, asking = (host, redirect.port), not isinstance(redirect, MovedError)
                if not asking:
                    self.slots[redirect.slot_id] = address
        raise redis.RedisError(f"{key}: redirected too often")


if __name__ == "__main__":
    keys = [f"key:{number}" for number in range(1000)]
    decode = "--decode-responses" in sys.argv[3:]
    for prefill in (True, False):
        cache = SlotCache(sys.argv[1], int(sys.argv[2]), decode_responses=decode)
        if prefill:
            cache.prefill(keys)
        for key in keys:
            cache.run(key, "SET", key, key)
            assert cache.run(key, "GET", key) == (key if decode else key.encode()), key
        print(f"{'SLOTHINT first' if prefill else 'MOVED alone'}: {cache.redirects} redirections for {len(keys)} keys")
