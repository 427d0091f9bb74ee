"""Everything python-binary-memcached offers; it speaks only the binary protocol."""

import bmemcached

from support import CALLS, address, check


def main():
    host, port = address()
    client = bmemcached.Client([f"{host}:{port}"], socket_timeout=30)
    client.flush_all()
    for value in ("text", b"bytes", 7, 2**62, [1, {"a": 2}], "x" * 100_000, True):
        check(client.set("value", value), True)
        check(client.get("value"), value)
    check(client.set("compressed", "long " * 10_000, compress_level=6), True)
    check(client.get("compressed"), "long " * 10_000)
    check(client.get("absent"), None)
    check(client.get("absent", "default"), "default")
    check(client.add("value", "x"), False)
    check(client.add("new", "x"), True)
    check(client.replace("new", "y"), True)
    check(client.replace("absent", "y"), False)
    value, token = client.gets("new")
    check(value, "y")
    check(client.cas("new", "z", token), True)
    check(client.cas("new", "zz", token), False)
    check(client.get("new", get_cas=True)[0], "z")
    check(client.set_multi({f"m{i}": i for i in range(200)}), [])
    check(client.get_multi([f"m{i}" for i in range(250)]), {f"m{i}": i for i in range(200)})
    check(client.delete_multi([f"m{i}" for i in range(200)]), True)
    check(client.incr("n", 5, default=10), 10)
    check(client.incr("n", 5), 15)
    check(client.decr("n", 20), 0)
    check(client.delete("new"), True)
    check(client.get("new"), None)
    assert list(client.stats().values())[0]["pid"]
    assert client.stats("settings")
    for key, answer in CALLS:
        got = client.get(key.format(name="bmemcached"))
        check(got.encode() if isinstance(got, str) else got, answer)
    client.disconnect_all()

    threaded = bmemcached.DistributedClient([f"{host}:{port}"])
    check(threaded.set("distributed", "1"), True)
    check(threaded.get("distributed"), "1")
    threaded.disconnect_all()


main()
