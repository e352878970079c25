"""The package as users get it: a wheel, typed, importable where only redis-py is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from pathlib import Path

import pytest
import redis
from redis.sentinel import Sentinel as Client
from servers import Sentinel, eventually

import redis_durable

PACKAGE = Path(__file__).resolve().parent.parent


def run(*command: object, **options: object) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_works_in_a_fresh_environment(tmp_path):
    source = tmp_path / "source"
    run("cp", "-r", PACKAGE, source)
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"),
        *("--no-build-isolation", "--wheel-dir", tmp_path, source),
    )
    (wheel,) = tmp_path.glob("redis_durable-*.whl")
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    modules = {path.name for path in (PACKAGE / "src/redis_durable").glob("*.py")}
    assert {f"redis_durable/{name}" for name in modules | {"py.typed"}} <= set(names)
    assert not [name for name in names if "test" in name or "tools" in name]
    assert [name for name in names if name.endswith("/LICENSE")]

    (metadata,) = (name for name in names if name.endswith("/METADATA"))
    assert "Requires-Dist: redis>=5\n" in archive.read(metadata).decode()

    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh/bin/python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel,
        "--target", site)  # fmt: skip
    # redis-py alone, as the package declares it, and not valkey-py.
    (Path(site) / "redis").symlink_to(Path(sysconfig.get_path("purelib")) / "redis")
    program = (
        "import redis_durable, redis, sys; d = redis_durable.durable(redis.Redis(), replicas=1); "
        "assert issubclass(redis_durable.Unacked, redis.ResponseError); "
        "assert 'valkey' not in sys.modules; print(redis_durable.__file__)"
    )
    assert run(python, "-c", program, cwd=tmp_path).startswith(site)


def patient(code: str, port: int) -> str:
    """An example for this server, with timeouts for a busy machine."""
    code = code.replace("redis.Redis()", f"redis.Redis(port={port}, socket_timeout=60)")
    return code.replace("timeout_ms=1000", "timeout_ms=50_000")


def test_the_examples_of_the_readme_run(pair, cluster, capsys):
    readme = (PACKAGE / "README.md").read_text()
    blocks = (part.split("```")[0] for part in readme.split("```python\n")[1:])
    first, again, unretried, _with_sentinel, fill = blocks
    pair.primary.run("CONFIG", "SET", "durable.expected-replicas", 5)
    for key in ("order:1", "order:2", "cart", "lock", "orders", "jobs"):
        pair.primary.control.delete(key)
    names = {}
    try:
        exec(patient(first, pair.primary.port), names)
    finally:
        pair.primary.run("CONFIG", "SET", "durable.expected-replicas", 0)
    assert capsys.readouterr().out == "2 of 5\n"
    exec(again, names)
    port = f"port={pair.primary.port}, "
    client = textwrap.dedent(unretried).replace("redis.Redis(", f"redis.Redis({port}")
    made = {"redis": redis}
    exec(client, made)
    assert made["r"].ping()
    made["r"].close()
    assert pair.primary.control.get("orders") == "2"
    assert pair.primary.control.lrange("jobs", 0, -1) == ["a"]
    names["r"].close()

    client = redis.RedisCluster("127.0.0.1", cluster.nodes[0].port, socket_timeout=60)
    names = {"cluster": client, "d": redis_durable.durable(client), "keys": ["readme"]}
    exec(fill, names)
    assert names["moved"] == 0
    assert client.getdel("readme") == b"v"
    client.close()


def test_the_examples_of_the_page_run(pair, cluster, capsys):
    page = (PACKAGE / "../../docs/clients/python.md").resolve().read_text()
    parts = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    # The other one has a test of its own.
    parts = [part for part in parts if "Sentinel" not in part]
    assert len(parts) == 4
    for key in ("order:1", "orders"):
        pair.primary.control.delete(key)
    code = patient("\n".join(parts), pair.primary.port)
    node = f"'127.0.0.1', {cluster.nodes[0].port}, socket_timeout=60"
    code = code.replace("redis.RedisCluster()", f"redis.RedisCluster({node})")
    names = {}
    exec(code, names)
    printed = capsys.readouterr().out
    assert re.fullmatch(
        "order:1 is durable\norders: 1\n100 writes, acknowledged by [12] replicas\n"
        "0 slots had moved\n",
        printed,
    )
    names["cluster"].delete(*names["keys"])
    names["cluster"].close()
    pair.primary.control.delete("order:1", *names["keys"])
    names["r"].close()


def test_the_example_with_sentinel_goes_on_after_a_failover(broken):
    texts = [PACKAGE / "README.md", PACKAGE / "../../docs/clients/python.md"]
    code, of_the_page = (
        next(part for part in text.read_text().split("```") if "Sentinel(" in part)
        for text in texts
    )
    assert code == of_the_page
    servers = [broken.primary, *broken.replicas]
    for server in servers:
        server.run("CONFIG", "SET", "durable.expected-replicas", 2)
    sentinel = Sentinel(broken.primary)
    place = ("127.0.0.1", sentinel.port)
    code = re.sub(r"Sentinel\(\[.*\]", f"Sentinel([{place!r}]", code.removeprefix("python\n"))
    code = code.replace("mymaster", "main").replace("socket_timeout=2", "socket_timeout=60")
    code = code.replace("timeout_ms=1000", "timeout_ms=50_000")
    try:
        exec(code, {})
        assert broken.primary.control.getdel("order:1") == "paid"
        sentinel.fail_over()
        # As soon as the former primary is the second replica.
        exec(code, {})
        eventually(
            "the write to be everywhere",
            lambda: all(server.control.get("order:1") == "paid" for server in servers),
        )
        impatient = Client([place], socket_timeout=0.1)
        with pytest.raises(ValueError, match="not above TIMEOUT"):
            redis_durable.durable(impatient.master_for("main"))
        reader = redis_durable.durable(Client([place], socket_timeout=60).slave_for("main"))
        with pytest.raises(redis.ReadOnlyError):
            reader.set("order:1", "paid", timeout_ms=50_000)
    finally:
        sentinel.stop()


def test_the_asyncio_methods_are_up_to_date():
    run(sys.executable, PACKAGE / "tools/make_async.py", "--check")
