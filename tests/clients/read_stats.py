"""Reads statistics as a Prometheus exporter does: every name it knows must be a number."""

import socket

from support import address, check

GENERAL = """
    pid uptime time version pointer_size rusage_user rusage_system curr_connections total_connections
    rejected_connections conn_yields listen_disabled_num accepting_conns threads
    cmd_get cmd_set cmd_flush cmd_touch get_hits get_misses delete_hits delete_misses incr_hits incr_misses
    decr_hits decr_misses cas_hits cas_misses cas_badval touch_hits touch_misses
    bytes limit_maxbytes curr_items total_items bytes_read bytes_written evictions reclaimed
""".split()
SETTINGS = "maxbytes maxconns tcpport num_threads item_size_max".split()
ITEM = "number age evicted outofmemory reclaimed".split()


def stats(server, what=""):
    with socket.create_connection(server, timeout=30) as connection:
        connection.sendall(f"stats {what}".strip().encode() + b"\r\n")
        reply = b""
        while not reply.endswith(b"END\r\n"):
            more = connection.recv(65536)
            assert more, f"closed after {reply!r}"
            reply += more
    found = {}
    for line in reply.decode().split("\r\n")[:-2]:
        word, name, value = line.split(" ", 2)
        check(word, "STAT")
        found[name] = value
    return found


def main():
    server = address()
    with socket.create_connection(server, timeout=30) as connection:
        connection.sendall(b"set a 0 0 1\r\nx\r\nget a b\r\nincr b 1\r\ndelete b\r\ntouch a 0\r\nmn\r\n")
        reply = b""
        while not reply.endswith(b"MN\r\n"):
            reply += connection.recv(65536)
    general = stats(server)
    for name in GENERAL:
        assert name in general, f"no {name} in stats"
        if name != "version":
            float(general[name])
    for name, value in {"cmd_set": 1, "cmd_get": 2, "get_hits": 1, "get_misses": 1, "incr_misses": 1,
                        "delete_misses": 1, "touch_hits": 1, "curr_items": 1, "total_items": 1}.items():
        check((name, general[name]), (name, str(value)))
    settings = stats(server, "settings")
    for name in SETTINGS:
        int(settings[name])
    items = stats(server, "items")
    assert items, "stats items is empty though there is an item"
    for name, value in items.items():
        word, number, figure = name.split(":")
        check(word, "items")
        int(number)
        int(value)
    for figure in ITEM:
        assert any(name.endswith(":" + figure) for name in items), f"no {figure} in stats items"
    slabs = stats(server, "slabs")
    for name in ("active_slabs", "total_malloced"):
        int(slabs[name])


main()
