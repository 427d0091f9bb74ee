"""Everything python-memcached offers."""

import memcache

from support import address, call_objects, check


def main():
    host, port = address()
    client = memcache.Client([f"{host}:{port}"], socket_timeout=30, cache_cas=True)
    check(client.flush_all(), None)
    for value in ("text", b"bytes", 7, 2**70, 1.5, [1, {"a": 2}], "x" * 100_000):
        check(client.set("value", value), True)
        check(client.get("value"), value)
    check(client.set("compressed", "long " * 10_000, min_compress_len=100), True)
    check(client.get("compressed"), "long " * 10_000)
    check(client.add("value", "x"), False)
    check(client.add("new", "x"), True)
    check(client.replace("new", "y"), True)
    check(client.append("new", "z"), True)
    check(client.prepend("new", "x"), True)
    check(client.get("new"), "xyz")
    check(client.touch("new", 100), 1)
    check(client.delete("new"), 1)
    check(client.get("new", "default"), "default")
    check(client.set("n", 10), True)
    check(client.incr("n", 5), 15)
    check(client.decr("n", 20), 0)
    check(client.incr("absent"), None)
    check(client.set_multi({str(i): i for i in range(200)}, key_prefix="m"), [])
    check(client.get_multi(range(200), key_prefix="m"), {i: i for i in range(200)})
    check(client.delete_multi([str(i) for i in range(200)], key_prefix="m"), 1)
    check(client.get_multi(["1"], key_prefix="m"), {})
    client.set("cas", "old")
    check(client.gets("cas"), "old")
    other = memcache.Client([f"{host}:{port}"])
    other.set("cas", "other")
    check(client.cas("cas", "new"), False)
    client.reset_cas()
    check(client.gets("cas"), "other")
    check(client.cas("cas", "new"), True)
    (name, stats), = client.get_stats()
    assert int(stats["pid"]) > 0, stats
    assert client.get_stats("settings")[0][1], "stats settings is empty"
    client.get_slab_stats()
    call_objects(client.get, "python-memcached")
    client.disconnect_all()


main()
