"""pymemcache over TLS, trusting only the certificate named on the command line."""

import ssl
import sys

from pymemcache.client.base import Client

from support import address, call_objects, check

context = ssl.create_default_context(cafile=sys.argv[2])
client = Client(address(), tls_context=context, timeout=30)
check(client.set("tls", b"x" * 100_000, noreply=False), True)
check(client.get("tls"), b"x" * 100_000)
big = bytes(i * i % 251 for i in range(1_000_000))
check(client.set("big", big, noreply=False), True)
check(client.get("big"), big)
check(client.get_many(["tls", "big"]), {"tls": b"x" * 100_000, "big": big})
call_objects(client.get, "tls-" + str(id(client)))
client.close()
