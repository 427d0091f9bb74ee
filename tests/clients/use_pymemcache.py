"""Everything pymemcache offers: the plain client, its pool, hashing over servers, retries, objects."""

import time

from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.client.retrying import RetryingClient
from pymemcache.exceptions import MemcacheClientError, MemcacheIllegalInputError, MemcacheServerError

from support import address, call_objects, check


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happens"


def storage(client):
    for noreply in (False, True):
        client.flush_all(noreply=False)
        client.set("a", b"1", noreply=noreply)
        check(client.get("a"), b"1")
        client.add("a", b"2", noreply=noreply)
        check(client.get("a"), b"1")
        client.add("b", b"2", noreply=noreply)
        client.replace("a", b"3", noreply=noreply)
        client.append("a", b"4", noreply=noreply)
        client.prepend("a", b"0", noreply=noreply)
        check(client.get("a"), b"034")
        client.delete("b", noreply=noreply)
        check(client.get("b", default="gone"), "gone")
    check(client.add("a", b"x", noreply=False), False)
    check(client.replace("none", b"x", noreply=False), False)
    check(client.append("none", b"x", noreply=False), False)
    check(client.prepend("none", b"x", noreply=False), False)
    check(client.delete("none", noreply=False), False)


def many(client):
    values = {f"many{i}": f"value {i}".encode() for i in range(500)}
    check(client.set_many(values, noreply=False), [])
    check(client.get_many(values.keys()), values)
    check(client.get_multi(["many1", "absent", "many2"]), {"many1": b"value 1", "many2": b"value 2"})
    check(set(client.gets_many(["many1", "many2"])), {"many1", "many2"})
    client.delete_many(values.keys(), noreply=False)
    check(client.get_many(values.keys()), {})


def compare_and_swap(client):
    client.set("cas", b"old", noreply=False)
    value, token = client.gets("cas")
    check(value, b"old")
    check(client.cas("cas", b"new", token, noreply=False), True)
    check(client.cas("cas", b"newer", token, noreply=False), False)
    check(client.cas("absent", b"x", token, noreply=False), None)
    check(client.get("cas"), b"new")
    check(client.gets("absent"), (None, None))


def arithmetic(client):
    client.set("n", b"10", noreply=False)
    check(client.incr("n", 5, noreply=False), 15)
    check(client.decr("n", 20, noreply=False), 0)
    check(client.incr("absent", 1, noreply=False), None)
    check(client.decr("absent", 1, noreply=False), None)
    client.incr("n", 7, noreply=True)
    check(client.get("n").strip(), b"7")
    client.set("n", b"18446744073709551615", noreply=False)
    check(client.incr("n", 1, noreply=False), 0)
    client.set("n", b"text", noreply=False)
    try:
        client.incr("n", 1, noreply=False)
        raise AssertionError("text was incremented")
    except MemcacheClientError:
        pass


def expiry(client):
    client.set("short", b"1", expire=1, noreply=False)
    client.set("past", b"1", expire=-1, noreply=False)
    check(client.get("past"), None)
    check(client.touch("short", 100, noreply=False), True)
    check(client.touch("absent", 100, noreply=False), False)
    check(client.touch("short", 1, noreply=False), True)
    wait_until(lambda: client.get("short") is None)
    client.set("flushed", b"1", noreply=False)
    check(client.flush_all(noreply=False), True)
    check(client.get("flushed"), None)
    client.set("later", b"1", noreply=False)
    check(client.flush_all(delay=1000, noreply=False), True)
    check(client.get("later"), b"1")
    check(client.flush_all(noreply=False), True)


def values(client):
    for value in (b"", b"\0", b"\r\n", b"END\r\n", bytes(range(256)) * 100, b"x" * 1_000_000):
        check(client.set("value", value, noreply=False), True)
        check(client.get("value"), value)
    try:
        client.set("value", b"x" * (2 << 20), noreply=False)
        raise AssertionError("2 MiB were stored")
    except MemcacheServerError:
        pass
    check(client.get("value"), None)
    for key in ("with space", "k" * 251, "line\r\nend"):
        try:
            client.get(key)
            raise AssertionError(f"the key {key!r} was taken")
        except MemcacheIllegalInputError:
            pass
    check(client.set("k" * 250, b"1", noreply=False), True)
    check(client.get("k" * 250), b"1")


def administration(client):
    assert client.version()
    stats = client.stats()
    assert stats[b"pid"] > 0 and stats[b"curr_connections"] > 0, stats
    assert client.stats("settings"), "stats settings is empty"
    assert isinstance(client.stats("items"), dict)
    assert isinstance(client.stats("slabs"), dict)
    check(client.cache_memlimit(64), True)


def binary_arguments(client):
    """A storage command on a virtual key is a call whose last argument is the data block."""
    check(client.get("map:new:binary"), b"CREATED")
    data = b"a:b \r\n\0" * 10
    client.set("map:put:binary:key", data, noreply=False)
    check(client.get("map:get:binary:key"), b"key : " + data)


def main():
    server = address()
    for make in (Client, PooledClient):
        client = make(server, connect_timeout=10, timeout=30)
        for part in (storage, many, compare_and_swap, arithmetic, expiry, values):
            part(client)
        client.close()
    client = Client(server, timeout=30)
    administration(client)
    call_objects(client.get, "pymemcache")
    binary_arguments(client)
    answers = client.get_many(["set:exist:pymemcache:apple", "plain", "set:count:pymemcache"])
    check(answers, {"set:exist:pymemcache:apple": b"EXISTS", "set:count:pymemcache": b"2"})
    check(client.raw_command(b"mn", b"MN\r\n"), b"")

    hashed = HashClient([server, server], use_pooling=True, timeout=30)
    hashed.set_many({f"h{i}": b"v" for i in range(100)}, noreply=False)
    check(len(hashed.get_many([f"h{i}" for i in range(100)])), 100)
    hashed.flush_all()

    retrying = RetryingClient(Client(server, timeout=30), attempts=2)
    retrying.set("r", b"1")
    check(retrying.get("r"), b"1")

    pickled = Client(server, serde=serde.pickle_serde, timeout=30, key_prefix=b"prefix:", allow_unicode_keys=True)
    thing = {"list": [1, 2.5, "three"], "none": None}
    pickled.set("schlüssel", thing, noreply=False)
    check(pickled.get("schlüssel"), thing)

    quitting = Client(server, timeout=30)
    quitting.set("q", b"1")
    quitting.quit()


main()
