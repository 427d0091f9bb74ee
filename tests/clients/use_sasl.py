"""SASL PLAIN over the binary protocol, with the right and with a wrong password."""

import sys

import bmemcached

from support import address, check

host, port = address()
server = f"{host}:{port}"
user, password = sys.argv[2:4]

client = bmemcached.Client([server], user, password)
check(client.set("key", "value"), True)
check(client.get("key"), "value")

try:
    stranger = bmemcached.Client([server], user, password + "x")
    got = stranger.get("key")
except Exception as refusal:  # the library has one class for everything
    got = None
check(got, None)
