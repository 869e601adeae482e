"""python textual_app.py NAMES: an app without a terminal that presses its own keys."""

import asyncio
import sys

import handlers
from textual.app import App

KEYS = dict(zip("abcde", handlers.ALL, strict=True))


class Keys(App):
    def __init__(self):
        super().__init__()
        self.said = []

    async def on_key(self, event):
        self.said.append(await handlers.ALL[KEYS[event.key]]())


async def main(names):
    key_of = {name: key for key, name in KEYS.items()}
    app = Keys()
    async with app.run_test() as pilot:
        for name in names:
            await pilot.press(key_of[name])
    print(sorted(app.said))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].split(",")))
