"""Work in threads of its own."""

import threading


def elsewhere(action):
    """Call it in another thread, and return what it returns."""
    found = []
    thread = threading.Thread(target=lambda: found.append(action()))
    thread.start()
    thread.join()
    return found[0]
