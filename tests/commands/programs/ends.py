"""Ends as its last word says. It is run on each backend and on none."""

# this is what it is for

import os
import sys

import tracetools


def end(how):
    if how == "raise":
        raise ValueError("the program's own")
    if how == "chain":
        try:
            end("raise")
        except ValueError as error:
            raise BrokenPipeError("a pipe of the program") from error
    if how == "ours":
        raise tracetools.TracetoolsError("raised by the program")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "exit":
        sys.exit(3)
    if how == "words":
        sys.exit("that is the end")
    if how == "at once":
        sys.stdout.flush()
        os._exit(4)


async def main(how):
    print("working")
    end(how)


def run(backend, how):
    if backend == "trio":
        import trio

        trio.run(main, how)
    elif backend == "asyncio":
        import asyncio

        asyncio.run(main(how))
    elif backend == "none":
        end(how)
    else:
        import anyio

        anyio.run(main, how, backend=backend.removeprefix("anyio-"))


if __name__ == "__main__":
    run(*sys.argv[1:])
