"""Works in other processes, which are started as its first word says."""

# this is what it is for

import multiprocessing
import os
import signal
import sys
import time


def double(number):
    return 2 * number


def wait():
    while True:
        time.sleep(1)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(pool.map(double, range(4)))
    process = context.Process(target=double, args=(1,))
    process.start()
    process.join()
    print(process.exitcode, flush=True)
    process = context.Process(target=wait)
    process.start()
    process.terminate()
    process.join()
    print(process.exitcode == -signal.SIGTERM, flush=True)
    if sys.argv[1] == "fork":
        child = os.fork()
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        else:
            sys.exit(5)
