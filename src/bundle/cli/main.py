"""The command line: parse, call, render; the only place that exits."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, cast

import click

import bundle
from bundle.base.errors import BundleError, ConfigError, InterruptedRunError, WorkError
from bundle.cli.app import App, Result
from bundle.cli.plain_console import PlainConsole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

COMMANDS = {
    "build": "make",
    "cache": "project",
    "catalogue": "make",
    "check": "project",
    "clean": "project",
    "config": "project",
    "diff": "project",
    "env": "use",
    "fetch": "make",
    "gc": "ship",
    "init": "make",
    "install": "use",
    "interpreters": "make",
    "job": "jobs",
    "list": "use",
    "lock": "make",
    "new": "project",
    "outdated": "make",
    "platforms": "project",
    "provision": "use",
    "publish": "ship",
    "release": "ship",
    "rollback": "use",
    "run": "use",
    "schema": "project",
    "serve": "jobs",
    "session": "sessions",
    "tree": "project",
    "trust": "ship",
    "uninstall": "use",
    "unpublish": "ship",
    "vendor": "make",
    "verify": "make",
    "versions": "project",
    "wheel": "make",
    "which": "use",
    "why": "project",
    "worker": "jobs",
}
"""The folder of each command's module, so that a command imports no other; its docstring is its help."""

FLAGS = ("json", "quiet", "verbose", "debug", "trust-store")
"""Global options that are also accepted behind a command."""


class LazyGroup(click.Group):
    """Imports the module of a command when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return one command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"bundle.cli.{COMMANDS[cmd_name]}.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is not a click command")
        _accept_flags(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command if the command is unknown."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with the first line of its help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, (command.help or "").partition("\n")[0]) for name, command in commands if command]
            )


@click.group(
    cls=LazyGroup,
    invoke_without_command=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": None, "max_content_width": 120},
)
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    envvar="BUNDLE_PROJECT",
    help="The project's folder; else the nearest one upward with a shared-config.json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--quiet", is_flag=True, help="Print only warnings and errors on stderr.")
@click.option("--verbose", is_flag=True, help="Print more on stderr.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option("--trust-store", is_flag=True, help="Use a store that other users own or may write to.")
@click.version_option(bundle.__version__, prog_name="bundle")
@click.pass_context
def cli(
    ctx: click.Context, project: Path | None, as_json: bool, quiet: bool, verbose: bool, debug: bool, trust_store: bool
) -> None:
    """Turn a few lines of JSON into a portable Python runtime that runs anywhere."""
    ctx.obj.project_option = project
    ctx.obj.json = as_json
    ctx.obj.quiet = quiet
    ctx.obj.verbose = verbose
    ctx.obj.debug = debug
    ctx.obj.trust_store = trust_store
    _refuse_both(ctx)


def _accept_flags(command: click.Command) -> None:
    """Let a command, or all commands of a group, accept the global flags behind its name."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _accept_flags(below)
        return
    if command.context_settings.get("ignore_unknown_options"):
        return  # It passes its arguments on to another program.
    known = {name for parameter in command.params for name in parameter.opts}
    for flag in FLAGS:
        if f"--{flag}" not in known:
            command.params.append(
                click.Option([f"--{flag}"], is_flag=True, hidden=True, expose_value=False, callback=_raise_flag)
            )


def _raise_flag(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        setattr(ctx.find_object(App), str(parameter.name), True)
        _refuse_both(ctx)


def _refuse_both(ctx: click.Context) -> None:
    app = ctx.find_object(App)
    if app is not None and app.quiet and app.verbose:
        raise click.UsageError("--quiet and --verbose exclude each other.", ctx)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the codes of the interface."""
    if not os.path.isdir(os.environ.get("TMPDIR", os.sep)):  # noqa: PTH112 - a path object may raise
        os.environ.pop("TMPDIR")  # Python takes another folder then, but uv fails.
    # The tens of thousands of entries of a bundle are no garbage, and each search through them costs time.
    gc.set_threshold(50_000, 20, 50)
    # Looked up before parsing, so that even a wrong command line is answered as JSON if it asks for that.
    app = App(json="--json" in (sys.argv[1:] if arguments is None else arguments))
    _open_streams()
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        # Only nohup ignores any but SIGINT, and asks for a run that goes on.
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        result = cli.main(args=arguments, standalone_mode=False, obj=app, prog_name="bundle")
        code = _render(app, result)
    except BrokenPipeError:
        code = 0  # The reader closed the pipe.
    except Exception as error:  # noqa: BLE001 - the one place where every failure becomes a message and a code
        code = _fail(app, error)
    except KeyboardInterrupt:
        code = _fail(app, InterruptedRunError("Interrupted."))
    if code < 0:
        from bundle.base.processes.become import end_as

        end_as(code)
    if arguments is None:
        # The process ends: what is left needs no search for garbage.
        gc.freeze()
    sys.exit(_flushed(code))


def _open_streams() -> None:
    """Open standard streams that the caller closed, so that no other file gets their numbers; what is lost fails."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # A result that is written where only reading is possible is an error; progress may get lost.
            number = os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_RDWR)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # File names that are not UTF-8.


def _flushed(code: int) -> int:
    """Flush the standard streams and return the exit code, another one where output was lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                code = code or WorkError.exit_code
            # Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signal's signature
    # Otherwise threads would go on waiting for their programs, and the main thread for the threads.
    if process := sys.modules.get("bundle.base.processes.stop"):
        process.end_all(closing=True)
    raise KeyboardInterrupt


def _render(app: App, result: object) -> int:
    if isinstance(result, int):
        return result
    if not isinstance(result, Result):
        return 0
    if app.json:
        json.dump(result.data, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        result.text(cast("Console", PlainConsole()))
    sys.stdout.flush()
    return result.exit_code


def _fail(app: App, error: Exception) -> int:
    if app.debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):
        error = InterruptedRunError("Interrupted.")
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.format_message(), file=sys.stderr)  # noqa: T201 - the help, because no command was given
        return error.exit_code
    if isinstance(error, click.ClickException):
        asked = getattr(error, "ctx", None)
        command = asked.command_path if asked else "bundle"
        known: BundleError = ConfigError(error.format_message(), remedy=f"`{command} --help` lists the options.")
    elif isinstance(error, BundleError):
        known = error
    else:
        from bundle.cli.system_errors import explained

        known = explained(error, store=app.cache) or WorkError(
            f"Unexpected {type(error).__name__}: {error}",
            cause="A bug in bundle.",
            remedy="Run again with --debug and report the traceback.",
        )
    with suppress(OSError):  # Where this cannot be written, the exit code alone tells of it.
        print(known.as_text(), file=sys.stderr, flush=True)  # noqa: T201 - works even if rich has failed
    if app.json:
        with suppress(OSError):
            json.dump(known.as_json(), sys.stdout, indent=2, ensure_ascii=False)
            sys.stdout.write("\n")
    return known.exit_code
