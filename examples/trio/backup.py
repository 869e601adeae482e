"""A job on trio: mails and images are fetched over two lines, checked and stored."""

import hashlib
import time

import trio

lines = trio.CapacityLimiter(2)


async def fetch(number):
    async with lines:
        await trio.sleep(0.01)  # stands for a download
    return number.to_bytes(4, "big") * 256


def checksum(data, rounds):
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data


async def check_mail(number):
    checksum(await fetch(number), rounds=2_000)


async def check_image(number):
    checksum(await fetch(number), rounds=20_000)


def store():
    time.sleep(0.4)  # stands for a slow disk


async def main():
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(check_mail, number)
            nursery.start_soon(check_image, number)
    store()


trio.run(main)
