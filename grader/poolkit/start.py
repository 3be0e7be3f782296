"""Where the `poolkit` command begins: with the process that takes longest to be ready, where one is needed."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

COMMANDS_WITH_LABS = frozenset({"check", "run", "trace", "watch", "what-if"})


def main() -> NoReturn:
    """Run the command line, the host of its labs warming up beside it where it needs one."""
    host = None
    if sys.argv[1:] and sys.argv[1] in COMMANDS_WITH_LABS and not {"-h", "--help"} & set(sys.argv):
        from poolkit.judge.host import Host

        host = Host()

    def interrupted(*_: object) -> NoReturn:
        """End at once and cleanly, wherever the command is: the host ends the labs and removes their files."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.write(2, b"poolkit: interrupted\n")
        if host is not None:
            host.close()
        os._exit(128 + signal.SIGINT)

    signal.signal(signal.SIGINT, interrupted)
    from poolkit.cli import run

    try:
        code = run(host)
    finally:
        if host is not None:
            host.close()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: what a broken run left behind, such as a thread of aiosqlite's, must not keep the process.
    os._exit(code)
