"""Runs the shell blocks of the documentation, page by page, and compares what they print.

Each page is one case: its `sh` blocks run in order in one bash each, in a folder of their own, beside an `ottla` in memory that
listens in place of localhost:9092, with its pages in place of localhost:9644 and its controller in place of localhost:9093. How pages mark blocks is in README.md beside this file.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import cases

ROOT = pathlib.Path(os.environ["COMPAT_DIR"]).parent
PAGES = sorted((ROOT / "docs").glob("*.md")) + [ROOT / "README.md", ROOT / "crates" / "cli" / "README.md",
                                            ROOT / "crates" / "client" / "README.md"]
OTTLA = os.environ["COMPAT_OTTLA"]
FENCE = re.compile(r"^( *)```(\w*) *(.*)$")


def blocks(text):
    """(language, words, line number, text) of each fenced block; a `<!-- not run -->` line before one adds that word."""
    lines = text.splitlines()
    found, index = [], 0
    while index < len(lines):
        match = FENCE.match(lines[index])
        if not match:
            index += 1
            continue
        indent, language, words = match.groups()
        before = next((line.strip() for line in reversed(lines[:index]) if line.strip()), "")
        if before.startswith("<!-- not run"):
            words += " not-run"
        start = index + 1
        index = start
        while index < len(lines) and lines[index].strip() != "```":
            index += 1
        body = "\n".join(line.removeprefix(indent) for line in lines[start:index])
        found.append((language, words.split(), start, body + "\n"))
        index += 1
    return found


def runs(page):
    """The page's runs: (line number, script, expected output or None)."""
    found = []
    for language, words, line, body in blocks(page.read_text()):
        if language == "sh" and "not-run" not in words:
            found.append((line, body, None))
        elif language == "output" and found and found[-1][2] is None:
            found[-1] = (found[-1][0], found[-1][1], body)
    return found


def matches(expected, actual):
    """Equal, line by line; `...` stands for anything, also for several lines when it is alone on its line. Runs of spaces
    are equal, because ids and times have other lengths than in the page."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
            continue
        parts = [re.escape(part) for part in re.split(r"\.\.\.", " ".join(line.split()))]
        pattern += ".*".join(parts) + r"\n"
    squeezed = "".join(" ".join(line.split()) + "\n" for line in actual.splitlines())
    return re.fullmatch(pattern, squeezed) is not None


def free_ports(count):
    """Ports that nobody has; all are held until the last is found."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Node:
    """An `ottla` in memory."""

    def __enter__(self):
        http, controller = free_ports(2)
        words = [OTTLA, "serve", "--data-dir", ":memory:", "--log-level", "warn", "--http", f"127.0.0.1:{http}"]
        listeners = f"PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:{controller}"
        words += ["-o", f"listeners={listeners}", "-o", "controller.listener.names=CONTROLLER"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"127\.0\.0\.1:\d+", self.process.stdout.readline()).group()
        self.places = {"9092": self.address, "9644": f"127.0.0.1:{http}", "9093": f"127.0.0.1:{controller}"}
        return self

    def in_place(self, script):
        """The script with the addresses of this node."""
        return re.sub(r"(localhost|127\.0\.0\.1):(9092|9093|9644)\b", lambda match: self.places[match.group(2)], script)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def run_page(page):
    folder = pathlib.Path(cases.WORK) / page.relative_to(ROOT).as_posix().replace("/", "-")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "ottla").symlink_to(OTTLA)
    subprocess.run([OTTLA, "install-scripts", folder / "bin"], check=True, stdout=subprocess.DEVNULL)
    # The Python that has the clients.
    python = folder / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    with Node() as node:
        environment = dict(os.environ, PATH=f"{folder / 'bin'}:{os.environ['PATH']}", OTTLA_BOOTSTRAP=node.address, HOME=str(folder))
        for line, script, expected in runs(page):
            out = bash(node.in_place(script), folder, environment, f"{page.name}:{line}")
            if expected is None:
                continue
            for address in ("localhost:9092", "127.0.0.1:9092"):
                if address in expected:
                    out = out.replace(node.address, address)
            if not matches(expected, out):
                raise AssertionError(f"{page.name}:{line} printed other text:\n{out}")


def bash(script, folder, environment, where):
    """Runs a block; fails when it ends badly or takes longer than a minute."""
    words = ["bash", "-euo", "pipefail", "-c", script]
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True)
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"{where} does not end") from None
    if process.returncode != 0:
        raise AssertionError(f"{where} ended with {process.returncode}: {out}{err}")
    return out


for _page in PAGES:
    if runs(_page):
        cases.add(_page.relative_to(ROOT).as_posix(), lambda page=_page: run_page(page))

if __name__ == "__main__":
    cases.main()
