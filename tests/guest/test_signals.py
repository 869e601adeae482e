"""A signal that is sent once more reaches the main thread, when our function is over."""

import signal
import threading
import time

from tracetools.guest.signals import send_again


def test_a_signal_is_sent_again_to_the_main_thread_when_this_is_over():
    def handler(number, _):
        heard.append((number, threading.current_thread(), over))

    over, heard = False, []
    before = signal.signal(signal.SIGINT, handler)
    try:
        send_again(signal.SIGINT)
        over = True
        deadline = time.monotonic() + 30
        while not heard and time.monotonic() < deadline:
            time.sleep(0.001)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [(signal.SIGINT, threading.main_thread(), True)]
