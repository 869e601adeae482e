"""Python runs this at the start of every process of a foreign suite, its subprocesses included."""

import os

if "TRACETOOLS_FOREIGN" in os.environ:
    import with_instrument

    with_instrument.start()
