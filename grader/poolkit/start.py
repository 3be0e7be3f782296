"""Where the `poolkit` command begins: with the process that takes longest to be ready, where one is needed."""

from __future__ import annotations

import sys

COMMANDS_WITH_LABS = frozenset({"check", "trace"})


def main() -> None:
    """Run the command line, the host of its labs warming up beside it."""
    host = None
    try:
        if sys.argv[1:] and sys.argv[1] in COMMANDS_WITH_LABS and not {"-h", "--help"} & set(sys.argv):
            from poolkit.judge.host import Host

            host = Host()
        from poolkit.cli import run

        run(host)
    except KeyboardInterrupt:
        # Before the command line was there to say so, or while it ended.
        print("poolkit: interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        if host is not None:
            host.close()
