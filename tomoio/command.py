"""What the command lines of the packages share: one line for an error, exit status 2, logging."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence


class _VerbParser(argparse.ArgumentParser):
    """Takes positional arguments before, between and after options; argparse takes them in one place only."""

    _is_parsing = False  # the intermixed parser calls the plain one twice

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        if self._is_parsing or self._subparsers is not None:  # verbs of a verb stand in one place
            return super().parse_known_args(args, namespace)
        self._is_parsing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_parsing = False


def run_command_line(
    program: str, description: str, package: str, verbs: Sequence[str], arguments: Sequence[str] | None
) -> int:
    """Parse arguments, run one verb, and turn user errors into one line and exit status 2.

    Each verb is a module ``{package}.commands.{verb}`` (dashes become underscores) with a docstring whose
    first line is its help, ``add_arguments(parser)`` and ``run(arguments)``.
    """
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    subparsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_VerbParser)
    for verb in verbs:
        module = importlib.import_module(f"{package}.commands.{verb.replace('-', '_')}")
        text = (module.__doc__ or "").strip()
        subparser = subparsers.add_parser(
            verb,
            help=text.splitlines()[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        parsed.run(parsed)
    except (ValueError, OSError) as error:
        if parsed.debug:
            raise
        print(f"{program} {parsed.verb}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{program} {parsed.verb}: interrupted", file=sys.stderr)
        return 130
    return 0
