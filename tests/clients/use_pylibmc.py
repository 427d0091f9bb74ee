"""Everything pylibmc (libmemcached) offers, in the text or the binary protocol."""

import sys
import time

import pylibmc

from support import address, call_objects, check


def refused(operation, *arguments):
    """Whether a store is refused: the binary protocol says why, which pylibmc makes an exception."""
    try:
        return operation(*arguments) is False
    except (pylibmc.NotFound, pylibmc.DataExists):
        return True


def storage(client):
    client.flush_all()
    check(client.set("a", "1"), True)
    check(client.get("a"), "1")
    check(client.get("absent"), None)
    check(client.get("absent", "default"), "default")
    check(refused(client.add, "a", "2"), True)
    check(client.add("b", "2"), True)
    check(client.replace("a", "x"), True)
    check(refused(client.replace, "absent", "x"), True)
    check(client.append("a", "y"), True)
    check(client.prepend("a", "w"), True)
    check(client.get("a"), "wxy")
    check(client.delete("a"), True)
    check(client.delete("a"), False)
    for value in ("", "\0", "text", b"\xff\x00", 7, 2**70, 1.5, True, None, [1, {"a": (2,)}], b"x" * 900_000):
        check(client.set("value", value), True)
        check(client.get("value"), value)
    try:
        client.set("value", b"\xff" * (2 << 20))
        raise AssertionError("2 MiB were stored")
    except pylibmc.Error:
        pass


def many(client):
    values = {f"many{i}": f"value {i}" for i in range(500)}
    check(client.set_multi(values), [])
    check(client.get_multi(list(values)), values)
    check(client.get_multi(["1", "2", "600"], key_prefix="many"), {"1": "value 1", "2": "value 2"})
    check(client.add_multi({"many1": "x", "new1": "y"}), ["many1"])
    check(client.delete_multi(list(values)), True)
    check(client.get_multi(list(values)), {})


def compare_and_swap(client):
    client.behaviors["cas"] = True
    client.set("cas", "old")
    value, token = client.gets("cas")
    check(value, "old")
    check(client.cas("cas", "new", token), True)
    check(client.cas("cas", "newer", token), False)
    check(client.gets("absent"), (None, None))
    client.behaviors["cas"] = False


def arithmetic(client):
    client.set("n", 10)
    check(client.incr("n"), 11)
    check(client.incr("n", 5), 16)
    check(client.decr("n", 20), 0)
    for operation in (client.incr, client.decr):
        try:
            operation("absent")
            raise AssertionError("an absent number was changed")
        except pylibmc.NotFound:
            pass
    client.set_multi({"n1": 1, "n2": 2})
    client.incr_multi(["n1", "n2"], delta=3)
    check(client.get_multi(["n1", "n2"]), {"n1": 4, "n2": 5})


def expiry(client):
    check(client.set("short", "1", time=1), True)
    check(client.touch("short", 100), True)
    check(client.touch("absent", 100), False)
    check(client.set("gone", "1", time=1), True)
    deadline = time.monotonic() + 10
    while client.get("gone") is not None:
        assert time.monotonic() < deadline, "it never expires"
    check(client.get("short"), "1")


def behaviours(server, binary):
    """The ways of talking that libmemcached can switch on."""
    for behaviour in ({"no_block": True}, {"tcp_nodelay": True}, {"tcp_keepalive": True},
                      {"ketama": True}, {"hash": "murmur", "distribution": "consistent"}):
        client = pylibmc.Client([server], binary=binary, behaviors=behaviour)
        client.set("behaviour", "value")
        check(client.get("behaviour"), "value")
        client.disconnect_all()
    compressing = pylibmc.Client([server], binary=binary)
    compressing.set("compressed", "long " * 10_000, min_compress_len=100)
    check(compressing.get("compressed"), "long " * 10_000)


def main():
    host, port = address()
    server = f"{host}:{port}"
    binary = sys.argv[2] == "binary"
    client = pylibmc.Client([server], binary=binary, behaviors={"tcp_nodelay": True})
    storage(client)
    many(client)
    compare_and_swap(client)
    arithmetic(client)
    expiry(client)
    behaviours(server, binary)
    (name, stats), = client.get_stats()
    assert server in name.decode() if isinstance(name, bytes) else server in name
    assert int(stats["pid"]) > 0, stats
    call_objects(client.get, f"pylibmc-{sys.argv[2]}")
    check(client.set(f"map:put:pylibmc-{sys.argv[2]}:key", "a:b c"), True)
    check(client.get(f"map:get:pylibmc-{sys.argv[2]}:key"), b"key : a:b c")
    pool = pylibmc.ClientPool(client, 4)
    with pool.reserve() as pooled:
        check(pooled.set("pooled", 1), True)
    check(client.flush_all(), True)
    check(client.get("pooled"), None)
    client.disconnect_all()


main()
