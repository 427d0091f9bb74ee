"""What the client scripts share: the server's address and the objects every client calls."""

import sys


def address():
    """Host and port from the command line."""
    host, port = sys.argv[1].rsplit(":", 1)
    return host, int(port)


def check(got, wanted):
    """Stops the script when an answer isn't the wanted one."""
    if got != wanted:
        raise AssertionError(f"got {got!r}, wanted {wanted!r}")


# Calls of shipped objects with their answers, in order, on objects that don't exist yet.
CALLS = [
    ("set:put:{name}:x", b"ERROR_CACHE_MISS"),
    ("set:new:{name}", b"CREATED"),
    ("set:put:{name}:apple", b"SUCCESS"),
    ("set:put:{name}:fig", b"SUCCESS"),
    ("set:exist:{name}:apple", b"EXISTS"),
    ("set:exist:{name}:kiwi", b"NOT_FOUND"),
    ("set:count:{name}", b"2"),
    ("map:new:{name}", b"CREATED"),
    ("map:put:{name}:colour:red", b"SUCCESS"),
    ("map:get:{name}:colour", b"colour : red"),
    ("quota:new:{name}:2:month", b"CREATED"),
    ("quota:addandcheck:{name}:2", b"QUOTA_OK"),
    ("quota:addandcheck:{name}:1", b"QUOTA_EXCEEDED"),
    ("swcounter:new:{name}:2", b"CREATED"),
    ("swcounter:add:{name}:5", b"SUCCESS"),
    ("swcounter:getlast:{name}", b"5"),
]


def call_objects(get, name):
    """Makes every call through a client's `get`."""
    for key, answer in CALLS:
        got = get(key.format(name=name))
        if isinstance(got, str):
            got = got.encode()
        check(got, answer)
