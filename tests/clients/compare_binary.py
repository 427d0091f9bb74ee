"""Random binary requests to two servers: `compare_binary.py HOST:PORT HOST:PORT COUNT SEED`; fails at the first
answer that differs. CAS tokens are only compared for being there. Numbers stay below 2^63: for larger ones memcached
looks for a minus sign beyond the value, in memory that may hold another's."""

import random
import socket
import struct
import sys

NOOP = 0x0A
FENCE = 0xDEAD
STORE = (0x01, 0x02, 0x03, 0x11, 0x12, 0x13)
COUNT = (0x05, 0x06, 0x15, 0x16)
GROW = (0x0E, 0x0F, 0x19, 0x1A)
TOUCH = (0x1C, 0x1D, 0x1E, 0x23, 0x24)
PLAIN = (0x00, 0x09, 0x0C, 0x0D, 0x04, 0x14)
FLUSH = (0x08, 0x18)


def request(opcode, key=b"", extras=b"", value=b"", cas=0, opaque=1):
    body = len(extras) + len(key) + len(value)
    head = struct.pack(
        ">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, body, opaque, cas
    )
    return head + extras + key + value


class Side:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.stream = self.socket.makefile("rb")

    def ask(self, message):
        """All answers up to that of a noop behind the message."""
        self.socket.sendall(message + request(NOOP, opaque=FENCE))
        answers = []
        while True:
            head = self.stream.read(24)
            if len(head) < 24:
                return answers + ["closed"]
            _, opcode, key, extras, _, status, body, opaque, cas = struct.unpack(">BBHBBHIIQ", head)
            text = self.stream.read(body)
            if opaque == FENCE:
                return answers
            answers.append((opcode, key, extras, status, text, cas != 0))


def draw(rng):
    opcode = rng.choice(STORE + COUNT + GROW + TOUCH + PLAIN * 2 + FLUSH * (rng.random() < 0.1))
    key = b"key%d" % rng.randrange(6)
    value = rng.choice([b"", b"12", b"abc", b"9" * 12, b"x" * 3000])
    exptime = rng.choice([0, 0, 1000, 2592001])
    cas = rng.choice([0, 0, 0, 1 << 60])
    if opcode in STORE:
        return request(opcode, key, struct.pack(">II", rng.randrange(5), exptime), value, cas)
    if opcode in COUNT:
        delta, create = rng.choice([1, 5, 2**40]), rng.choice([0, 0xFFFFFFFF, 100])
        return request(opcode, key, struct.pack(">QQI", delta, rng.randrange(9), create), b"", cas)
    if opcode in GROW:
        return request(opcode, key, b"", value, cas)
    if opcode in TOUCH:
        return request(opcode, key, struct.pack(">I", rng.choice([0, 1000])))
    if opcode in FLUSH:
        return request(opcode)
    return request(opcode, key, cas=cas if opcode in (0x04, 0x14) else 0)


def main():
    ours, theirs = Side(sys.argv[1]), Side(sys.argv[2])
    count, seed = int(sys.argv[3]), int(sys.argv[4])
    rng = random.Random(seed)
    for number in range(count):
        message = draw(rng)
        got, wanted = ours.ask(message), theirs.ask(message)
        if got != wanted:
            sys.exit(f"seed {seed}, request {number}: {message!r}\nours {got}\nmemcached {wanted}")


main()
