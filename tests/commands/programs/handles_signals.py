"""Handles signals in the ways that programs do, and prints what it finds."""

import asyncio
import os
import signal
import sys

NUMBERS = sorted({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD})


def shown(handler):
    if isinstance(handler, signal.Handlers) or handler is None:
        return repr(None if handler is None else int(handler))
    return getattr(handler, "__qualname__", type(handler).__qualname__)


def look(when):
    print(when, *[f"{number.name}={shown(signal.getsignal(number))}" for number in NUMBERS])
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    print(when, "wakeup fd", fd != -1)
    ours = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    print(when, "mask", sorted(ours), "pending", sorted(signal.sigpending()), flush=True)


def theirs(number, frame):
    print("theirs", number, frame is not None, flush=True)


def plain():
    """Put handlers in place and back, and check that what is found is what was there."""
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    before = {number: signal.signal(number, theirs) for number in NUMBERS}
    look("set")
    for number in NUMBERS:
        signal.raise_signal(number)
    for number, handler in before.items():
        assert signal.signal(number, handler) is theirs
    look("back")
    for number in (signal.SIGTERM, signal.SIGHUP):
        assert signal.signal(number, signal.SIG_IGN) is signal.SIG_DFL
        signal.raise_signal(number)
        assert signal.signal(number, signal.SIG_DFL) is signal.SIG_IGN


async def of_asyncio():
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    look("runs")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        loop.add_signal_handler(number, came.set)
    look("added")
    os.kill(os.getpid(), signal.SIGTERM)
    await came.wait()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        print(loop.remove_signal_handler(number))
    look("removed")


def of_trio():
    import trio

    async def main():
        look("runs")
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as received:
            look("received")
            os.kill(os.getpid(), signal.SIGTERM)
            print(await anext(received))
        look("left")

    trio.run(main)


async def of_anyio():
    import anyio

    look("runs")
    with anyio.open_signal_receiver(signal.SIGTERM) as received:
        os.kill(os.getpid(), signal.SIGTERM)
        async for number in received:
            print(number)
            break
    look("left")


def uvloop():
    import uvloop

    loop = uvloop.new_event_loop()
    loop.run_until_complete(of_asyncio())
    loop.close()


def before():
    """Set handlers of its own before a loop runs, which a signal finds while it waits."""
    signal.signal(signal.SIGTERM, theirs)

    async def wait():
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.2)
        look("runs")

    asyncio.run(wait())


WAYS = {
    "plain": plain,
    "asyncio": lambda: asyncio.run(of_asyncio()),
    "uvloop": uvloop,
    "trio": of_trio,
    "anyio": lambda: asyncio.run(of_anyio()),
    "before": before,
}

if __name__ == "__main__":
    look("first")
    WAYS[sys.argv[1]]()
    look("last")
    if "dies" in sys.argv:
        signal.raise_signal(signal.SIGTERM)
        print("survived")
