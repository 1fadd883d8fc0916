"""A real PostgreSQL server for tests, from the machine's own packages."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def binaries() -> Path | None:
    """Where the server's programs are; None where there is no server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


class Server:
    """A server of its own on a free loopback port; quick rather than durable.

    Args:
        folder: an empty folder that is the server's alone. When root runs the tests it is given to another user, since
            the server refuses root; the folders above it must then let that user through.
    """

    def __init__(self, folder: Path) -> None:
        programs = binaries()
        assert programs is not None
        self._programs = programs
        self._folder = folder
        self._port = _free_port()
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = _unprivileged()
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.url = f"postgresql+psycopg://bakeoff@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "--username=bakeoff", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        words = [f"-c port={self._port}", "-c listen_addresses=127.0.0.1", f"-c unix_socket_directories={self._folder}"]
        words += ["-c fsync=off", "-c full_page_writes=off", "-c shared_buffers=64MB"]
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={log}", f"--options={' '.join(words)}")

    def stop(self) -> None:
        """Stop the server at once and cut off whoever is connected."""
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self._programs / program, f"--pgdata={self._folder / 'data'}", *words],
            check=True,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server keeps what it inherits: a pipe would never end
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            **self._user,
        )


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a server that runs inside the block."""
    made = Server(folder)
    made.start()
    try:
        yield made.url
    finally:
        made.stop()


def _unprivileged() -> pwd.struct_passwd:
    known = {account.pw_name: account for account in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
