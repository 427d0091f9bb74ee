"""Everything aiomcache offers."""

import asyncio

import aiomcache
from aiomcache.exceptions import ClientException

from support import CALLS, address, check


async def main():
    client = aiomcache.Client(*address(), pool_size=4)
    check(await client.flush_all(), None)
    check(await client.set(b"a", b"1"), True)
    check(await client.get(b"a"), b"1")
    check(await client.get(b"absent", b"default"), b"default")
    check(await client.add(b"a", b"x"), False)
    check(await client.replace(b"a", b"x"), True)
    check(await client.append(b"a", b"y"), True)
    check(await client.prepend(b"a", b"w"), True)
    value, token = await client.gets(b"a")
    check(value, b"wxy")
    check(await client.cas(b"a", b"new", token), True)
    check(await client.cas(b"a", b"newer", token), False)
    check(await client.multi_get(b"a", b"absent", b"a2"), (b"new", None, None))
    check(await client.set(b"n", b"10"), True)
    check(await client.incr(b"n", 5), 15)
    check(await client.decr(b"n", 20), 0)
    check(await client.set(b"text", b"text"), True)
    for key in (b"absent", b"text"):
        try:
            await client.incr(key)
            raise AssertionError(f"{key!r} was incremented")
        except ClientException:
            pass
    check(await client.touch(b"a", 100), True)
    check(await client.touch(b"absent", 100), False)
    check(await client.delete(b"a"), True)
    check(await client.delete(b"a"), False)
    assert await client.version()
    stats = await client.stats()
    assert int(stats[b"pid"]) > 0, stats
    await asyncio.gather(*(client.set(f"k{i}".encode(), str(i).encode()) for i in range(200)))
    got = await asyncio.gather(*(client.get(f"k{i}".encode()) for i in range(200)))
    check(got, [str(i).encode() for i in range(200)])
    for key, answer in CALLS:
        check(await client.get(key.format(name="aiomcache").encode()), answer)
    await client.close()


asyncio.run(main())
