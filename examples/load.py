"""Ask a server 200 times, 20 at once: `python load.py [ADDRESS]`."""

import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

PATHS = ["/report/2024", "/book/1", "/book/2", "/cover/3"]


def main(address):
    paths = ["/settings" if number % 25 == 0 else PATHS[number % 4] for number in range(200)]
    with ThreadPoolExecutor(20) as pool:
        sizes = list(pool.map(lambda path: len(urlopen(address + path).read()), paths))
    print(len(sizes), "answers")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["http://127.0.0.1:8000"])
