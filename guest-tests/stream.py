"""The stream of bytes that examples/nettest sends and checks: a block of WORDS 64-bit words, each its number times FACTOR, repeated."""

import array
import hashlib

WORDS, FACTOR = 125_003, 0x9E37_79B9_7F4A_7C15
BLOCK = array.array("Q", (number * FACTOR & (1 << 64) - 1 for number in range(WORDS))).tobytes()
TWICE = BLOCK * 2


def pieces(size):
    """The first `size` bytes, in pieces."""
    for _ in range(size // len(BLOCK)):
        yield BLOCK
    yield memoryview(BLOCK)[:size % len(BLOCK)]


def digest(size):
    """The SHA-256 of the first `size` bytes."""
    whole = hashlib.sha256()
    for piece in pieces(size):
        whole.update(piece)
    return whole.hexdigest()


def send(stream, size):
    """Sends the first `size` bytes and our end; returns what the guest says of them."""
    for piece in pieces(size):
        stream.sendall(piece)
    stream.shutdown(1)
    answer = b""
    while part := stream.recv(200):
        answer += part
    return answer.decode().strip()


def receive(stream, size):
    """Asks for `size` bytes and compares each; returns how many came until the guest's end."""
    stream.sendall(b"%d\n" % size)
    count = 0
    while part := stream.recv(1 << 18):
        place = count % len(BLOCK)
        if part != TWICE[place:place + len(part)]:
            wrong = next(at for at, (found, wanted) in enumerate(zip(part, TWICE[place:])) if found != wanted)
            raise AssertionError(f"byte {count + wrong} is wrong")
        count += len(part)
    return count


def receive_hashed(stream, size):
    """Asks for `size` bytes; returns the SHA-256 of what came until the guest's end."""
    stream.sendall(b"%d\n" % size)
    whole = hashlib.sha256()
    while part := stream.recv(1 << 18):
        whole.update(part)
    return whole.hexdigest()
