"""Clients that increment one counter, and retry each increment until they get a reply.

    python3 increments.py <clients> <port> <port> <word> ...        needs: pip install redis

The words are the command. `{id}` in them stands for an id that each increment has for itself, and
that its retries repeat; `{timeout}` for a timeout, which half of the clients have shorter than that
of their sockets. Retries are those of redis-py, with its defaults, and then those of `Client`.

The program prints a line `timeout` for each timeout of a socket, and a line `replies 10` when a
client has got ten more replies. It stops when its input ends. Then it prints `result` with three
numbers: the increments that got a reply, those that got none, and how many of the replies differ.
"""
import os
import sys
import threading
import traceback
import uuid
from time import sleep

import redis

SOCKET_TIMEOUT = 0.2  # seconds
DURABLE_TIMEOUTS = ("100", "1000")  # milliseconds
REPORT_EVERY = 10

stop = threading.Event()


def say(line):
    # One write, so that lines of several threads do not mix.
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


class Connection(redis.Connection):
    """Reports each timeout, also those that redis-py retries by itself."""

    def read_response(self, *args, **options):
        try:
            return super().read_response(*args, **options)
        except redis.TimeoutError:
            say("timeout")
            raise


def connect(port):
    node = redis.Redis(
        "127.0.0.1", port, socket_timeout=SOCKET_TIMEOUT, socket_connect_timeout=SOCKET_TIMEOUT
    )
    # Not an argument of a pool of its own: only this pool has the default retries.
    node.connection_pool.connection_class = Connection
    return node


class Client(threading.Thread):
    def __init__(self, number, ports, words):
        super().__init__()
        self.nodes = [connect(port) for port in ports]
        self.timeout = DURABLE_TIMEOUTS[number % len(DURABLE_TIMEOUTS)]
        self.words = words
        self.replies = []
        self.unreported = 0

    def run(self):
        while not stop.is_set():
            name = str(uuid.uuid4())
            words = [word.format(id=name, timeout=self.timeout) for word in self.words]
            reply = self.reply_to(words)
            if reply is None:
                self.unreported += 1
                continue
            self.replies.append(reply)
            if len(self.replies) % REPORT_EVERY == 0:
                say(f"replies {REPORT_EVERY}")

    def reply_to(self, words):
        """The reply, or None if the program stops before there is one."""
        while True:
            try:
                return self.nodes[0].execute_command(*words)
            except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError):
                self.nodes.reverse()
            except redis.ResponseError as error:
                code = str(error).split(" ")[0]
                if code == "NOREPLICAS":
                    self.nodes.reverse()
                elif code != "UNACKED":
                    raise
            if stop.is_set():
                return None
            sleep(0.01)


def fail(thread):
    traceback.print_exception(thread.exc_type, thread.exc_value, thread.exc_traceback)
    os._exit(1)


def main():
    threading.excepthook = fail
    count, ports, words = int(sys.argv[1]), [int(port) for port in sys.argv[2:4]], sys.argv[4:]
    clients = [Client(number, ports, words) for number in range(count)]
    for client in clients:
        client.start()
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join()
    replies = [reply for client in clients for reply in client.replies]
    unreported = sum(client.unreported for client in clients)
    say(f"result {len(replies)} {unreported} {len(set(replies))}")


if __name__ == "__main__":
    main()
