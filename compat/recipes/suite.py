"""Black-box suite: the tests that docs/embedded.md shows, each run as it stands there: it starts and stops a broker of its own."""

import json
import os
import subprocess
import time

import cases

COMPAT = os.environ["COMPAT_DIR"]
LIMIT_S = 120


def ottla_program():
    words = json.loads(os.environ["COMPAT_START"])
    return words[words.index("--ottla") + 1]


OTTLA = ottla_program()


def brokers():
    """Process ids of all brokers that run this program."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                words = cmdline.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0] == OTTLA.encode() and b"--stop-with-stdin" in words:
            found.append(pid)
    return found


def run(*command):
    environment = {**os.environ, "OTTLA": OTTLA}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, f"exit code {done.returncode}: {(done.stdout + done.stderr)[-600:]!r}"
    cases.equal([], brokers(), "brokers that were left running")


@cases.case
def python():
    run(os.sys.executable, f"{COMPAT}/recipes/python/test_orders.py")


@cases.case
def java():
    run("java", "-XX:TieredStopAtLevel=1", "-cp", os.environ["COMPAT_CLASSPATH"], "OrdersTest")


@cases.case
def node():
    run("node", "--test", f"{COMPAT}/recipes/node/orders.test.js")


@cases.case
def go():
    run(f"{os.environ['COMPAT_GO']}/recipe.test", "-test.v")


@cases.case
def a_broker_ends_with_the_program_that_started_it():
    script = f"import os,sys\nsys.path.insert(0, {COMPAT!r} + '/recipes/python')\n"
    script += "from test_orders import Ottla\nOttla().__enter__()\nos.kill(os.getpid(), 9)\n"
    environment = {**os.environ, "OTTLA": OTTLA}
    subprocess.run([os.sys.executable, "-c", script], env=environment, timeout=LIMIT_S, check=False)
    cases.eventually("the broker is gone", lambda: not brokers())


@cases.case
def a_broker_in_memory_is_ready_at_once():
    """Ten starts and stops, one after another; the median goes into the log."""
    command = [OTTLA, "serve", "--data-dir", ":memory:", "--listen", "127.0.0.1:0", "--print-address"]
    times = []
    for _ in range(10):
        begun = time.monotonic()
        broker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = broker.stdout.readline()
        times.append(time.monotonic() - begun)
        broker.terminate()
        cases.equal("", broker.stdout.read(), "what follows the address")
        cases.equal(0, broker.wait(), "exit code")
        assert address.startswith("127.0.0.1:"), address
    print(f"ready after {1000 * sorted(times)[5]:.0f} ms (median of ten)")


if __name__ == "__main__":
    cases.main()
