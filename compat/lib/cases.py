"""Named cases for the Python suites: one line for each on standard output, as compat/README.md asks.

    @case
    def seeks_by_offset(): ...

    if __name__ == "__main__":
        cases.main()
"""

import itertools
import os
import sys
import time
import traceback

BOOTSTRAP = os.environ.get("COMPAT_BOOTSTRAP", "")
PEER = os.environ.get("COMPAT_PEER", "ottla")
LONG = os.environ.get("COMPAT_LONG") == "1"
WORK = os.environ.get("COMPAT_WORK", ".")

_cases = []
_names = itertools.count(1)
_run = format(int(time.time() * 1000) % 100_000_000, "x")


def case(function):
    """Registers a case under the function's name."""
    add(function.__name__, function)
    return function


def add(name, function):
    """Registers a case under a name of its own, for cases made in a loop."""
    _cases.append((name, function))


def finding(name, text):
    """A fact worth reading, not a failure."""
    print(f"finding {name}: {' '.join(str(text).split())}", flush=True)


def fresh_name(prefix):
    """A topic name that no other case uses."""
    return f"{prefix}-{_run}-{next(_names)}"


def equal(expected, actual, what):
    """Fails unless the two are equal."""
    if expected != actual:
        raise AssertionError(f"{what}: expected {_short(expected)}, got {_short(actual)}")


def eventually(what, condition, seconds=15.0, interval=0.02):
    """Asks again until the condition holds and returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {seconds:.0f} s: {what}")
        time.sleep(interval)


def noise(length, seed=1):
    """Bytes that do not compress and are the same in every run."""
    import random

    return random.Random(seed).randbytes(length)


def main():
    """Runs every case whose name holds COMPAT_CASE, and exits."""
    only = os.environ.get("COMPAT_CASE", "")
    failed = 0
    for name, function in _cases:
        if only not in name:
            continue
        started = time.monotonic()
        try:
            function()
            print(f"ok {name}", flush=True)
        except Exception as error:  # noqa: BLE001 - whatever a client raises is a failed case
            failed += 1
            text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            print(f"not ok {name}: {' '.join(text.split())}", flush=True)
            traceback.print_exc()
        print(f"{name} took {time.monotonic() - started:.2f} s", file=sys.stderr, flush=True)
    sys.exit(1 if failed else 0)


def _short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "..."
