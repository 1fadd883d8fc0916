"""The command `bakeoff`. Every verb takes Hydra-style key=value; nothing slow is imported before it is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from runners import moments, usage
from runners.errors import CommandError, one_line, suggestion
from runners.streams import settle
from runners.verbs import OK, VERBS

NOT_UNDERSTOOD, STOPPED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    code = _main(arguments)
    settle(sys.stdout, sys.stderr)
    return code


def _main(arguments: Sequence[str] | None) -> int:
    # torch's threads wait by spinning; on cores that others use too, long spins make them ten times slower
    os.environ.setdefault("GOMP_SPINCOUNT", "500")
    moments.begin()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage.of_all())
        return OK if words else NOT_UNDERSTOOD
    try:
        if words[0] not in VERBS:
            raise CommandError(f"there is no command '{words[0]}'{suggestion(words[0], VERBS)}")
        if {"-h", "--help"} & set(words[1:]):
            print(usage.of(words[0]))
            return OK
        return VERBS[words[0]](words[1:])
    except CommandError as error:
        print(f"bakeoff: {one_line(error)}", file=sys.stderr)
        return NOT_UNDERSTOOD
    except KeyboardInterrupt:
        print("bakeoff: stopped; the same command typed again continues", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        return OK


if __name__ == "__main__":
    sys.exit(main())
