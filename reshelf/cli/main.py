"""The command `reshelf`: which commands there are, and how each of them ends.

A command is imported when it is called, so that help is quick.  Exit status: 0
done, 1 failed, 2 wrong use or settings, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from reshelf.cli.front import Front
from reshelf.cli.near_names import suggest
from reshelf.cli.plugins import OFFERED, how_to_get, plugins, summary
from reshelf.processes.garbage import collect_rarely
from reshelf.terminal.logs import TEXT
from reshelf.terminal.waiting import at_work
from schemas.errors import BadSettings, ReshelfError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("run.demo:demo", "Open a synthetic shop whose pages re-arrange themselves while you watch."),
    "console": (
        "run.console:console",
        "Serve pages for a browser: shop, arms, experiment, pipeline, rules.",
    ),
    "init": ("setup.init:init", "Write a commented settings file."),
    "worker": ("run.worker:worker", "Run the stream workers."),
    "edge": ("run.edge:edge", "Serve layouts and accept events over HTTP, for web tiers without Kafka."),
    "mcp": ("run.mcp:mcp", "Let programs look, price and publish by the Model Context Protocol."),
    "encoder": ("run.encoder:encoder", "Turn the texts of changed items into vectors."),
    "finetune": ("data.finetune:finetune", "Tune the text model on what visitors clicked one after the other."),
    "people": ("setup.people:people", "Give people tokens and roles for publishing rules."),
    "topics": ("setup.topics:topics", "Create the topics, or list them and how they differ from what they should be."),
    "publish": ("data.publish:publish", "Check JSON lines and publish them to a topic."),
    "forget": ("data.forget:forget", "Delete what is kept about a unit."),
    "explain": ("pages.explain:explain", "Explain what a layout is made from."),
    "ask": ("pages.ask:ask", "Find the items that answer a question, ranked by what a segment clicks."),
    "likeness": ("pages.likeness:likeness", "Show the available items that a visitor would take for the same."),
    "rules": ("pages.rules:rules", "Check, publish and roll back the rules of pages."),
    "segments": ("pages.segments:segments", "Show learned segments, and how they come about."),
    "layouts": ("pages.layouts:layouts", "Show published layouts."),
    "state": (
        "state.state:state",
        "Export, digest or compare the state, switch to another namespace, or drop one.",
    ),
    "replay": ("state.replay:replay", "Rebuild the state from the log into a namespace of its own."),
    "runs": ("evaluation.runs:runs", "List and compare records of replays, evaluations and tunings."),
    "evaluate": (
        "evaluation.evaluate:evaluate",
        "Estimate from the decision log what another policy would have earned.",
    ),
    "tune": ("evaluation.tune:tune", "Race settings of the policy in simulated shops, and rank them."),
    "experiment": (
        "evaluation.experiment:experiment",
        "Compare learned layouts with the holdout, and policies on trial with the page's own.",
    ),
    "report": ("evaluation.report:report", "Write experiments, posteriors and policies as one page of HTML."),
    "log": ("data.log:log", "Export the decision log for other tools, or archive the event topics."),
    "import": ("data.import_:import_", "Import logged data sets."),
    "schemas": ("setup.schemas:schemas", "Write the message schemas, or check them against the last release."),
    "doctor": ("setup.doctor:doctor", "Check settings, broker, topics, Redis, clocks and workers."),
    "drill": (
        "run.drill:drill",
        "Break everything while events flow, then check that nothing was lost.",
    ),
    "settings": ("setup.settings:settings", "Show the settings in effect and where each came from."),
    "completion": (
        "setup.completion:completion",
        "Print a script that lets the tab key complete commands, options and values.",
    ),
}
"""Name: module in `reshelf.cli` and function, and a line of help."""

TASKS: dict[str, tuple[str, ...]] = {
    "See it": ("demo", "console", "layouts", "explain", "ask", "likeness"),
    "Set up": ("init", "settings", "people", "topics", "doctor", "schemas", "completion"),
    "Run": ("worker", "encoder", "finetune", "edge", "mcp", "publish", "forget", "import"),
    "Arrange pages": ("rules", "segments"),
    "Judge": ("experiment", "evaluate", "tune", "report", "log", "runs"),
    "Look after the state": ("state", "replay"),
    "Test and measure": ("drill", "bench"),
}
"""Commands by what somebody wants to do; each is in one of them, and `bench` is a plug-in."""

OTHERS = "From other packages"
"""The heading of plug-ins that no task names."""

LASTING = ("demo", "console", "worker", "edge", "mcp", "encoder", "drill")
"""They go on while a broker is away: what its client says of that matters to their operator."""

_librdkafka = logging.getLogger("reshelf.librdkafka")

Remember = Callable[[click.Context, click.Parameter, Any], None]


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands that are installed, those of plug-ins last."""
        own = [name for name, (target, _) in COMMANDS.items() if importlib.util.find_spec(_module(target))]
        return own + [name for name in plugins() if name not in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; the shared options are valid after its name, too."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = _imported(cmd_name)
        _share_options(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, without importing them; after a dash the options."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        names = (name for name in self.list_commands(ctx) if name.startswith(incomplete))
        return [CompletionItem(name, help=_about(name)) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by task, without importing them."""
        there = self.list_commands(ctx)
        named = {name for names in TASKS.values() for name in names}
        for task, names in {**TASKS, OTHERS: [name for name in there if name not in named]}.items():
            rows = [(name, _about(name)) for name in names if name in there]
            if rows:
                with formatter.section(task):
                    formatter.write_dl(rows)


def _imported(name: str) -> click.Command:
    if name in COMMANDS:
        target = COMMANDS[name][0]
        command: click.Command = getattr(importlib.import_module(_module(target)), target.partition(":")[2])
        return command
    plugin: click.Command = plugins()[name].load()
    return plugin


def _about(name: str) -> str:
    """The line of help of an installed command."""
    return COMMANDS[name][1] if name in COMMANDS else summary(name)


def _module(target: str) -> str:
    return f"reshelf.cli.{target.partition(':')[0]}"


def _set(name: str) -> Remember:
    def remember(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.obj, name, value)

    return remember


def _say_more(context: click.Context, _: click.Parameter, value: int) -> None:
    if value:
        context.obj.verbose = value
        for ours in ("reshelf", "streams"):
            logging.getLogger(ours).setLevel(logging.INFO)
        _librdkafka.setLevel(logging.NOTSET)
    if value > 1:
        logging.getLogger().setLevel(logging.DEBUG)


def _shared_options() -> list[click.Option]:
    def option(names: Sequence[str], about: str, remember: Remember, **how: Any) -> click.Option:
        return click.Option(names, help=about, expose_value=False, callback=remember, **how)

    file = click.Path(path_type=Path)
    return [
        option(["--settings"], "Read settings from this TOML file.", _set("file"), type=file, metavar="FILE"),
        option(["--embedded"], "Start a broker and Redis for this command alone.", _set("embedded"), is_flag=True),
        option(["--json"], "Print one JSON object to standard output.", _set("json"), is_flag=True),
        option(["-v", "--verbose"], "Log more on standard error; give it twice for everything.", _say_more, count=True),
    ]


def _share_options(command: click.Command) -> None:
    names = {name for parameter in command.params for name in parameter.opts}
    command.params += [option for option in _shared_options() if names.isdisjoint(option.opts)]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _share_options(inner)


class _Root(LazyGroup):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.obj = Front(ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Commands that end by themselves say in one line what failed: the client's own lines come with -v alone."""
        if args[0] in OFFERED and args[0] not in self.list_commands(ctx) and not ctx.resilient_parsing:
            raise click.UsageError(how_to_get(args[0]), ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if name not in LASTING and not ctx.obj.verbose:
            _librdkafka.setLevel(logging.CRITICAL)
        if name in COMMANDS and name not in LASTING and not ctx.resilient_parsing:
            ctx.with_resource(at_work(sys.stderr))
        return name, command, rest


@click.group(cls=_Root, params=_shared_options())
@click.version_option(package_name="reshelf", message="%(prog)s %(version)s")
def cli() -> None:
    """Re-arrange shop pages while they are being shopped.

    Events come in and layouts go out over Kafka; what was learned is in Redis.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit status; errors are reported in one line each."""
    logging.basicConfig(level=logging.WARNING, format=TEXT, stream=sys.stderr)
    before = signal.signal(signal.SIGTERM, _terminate)
    command_line = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status = cli.main(args=command_line, prog_name="reshelf", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            suggest(error)
        error.show()
        _report_to_script(command_line, error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 (what has no words of its own is raised again)
        return _fail(error, command_line)
    finally:
        signal.signal(signal.SIGTERM, before)
        _librdkafka.setLevel(logging.NOTSET)


def main() -> NoReturn:
    """The console script."""
    collect_rarely()
    sys.exit(run())


def _terminate(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(143)


def _report_to_script(command_line: Sequence[str], message: str) -> None:
    """The one object of `--json`, which is there when a command fails, too."""
    if "--json" in command_line:
        click.echo(json.dumps({"error": message}, ensure_ascii=False))


def _fail(error: Exception, command_line: Sequence[str]) -> int:
    """Report an error that has a cause outside of us; others are mistakes of ours and keep their traceback."""
    message = _in_words(error)
    if message is None:
        raise error
    from reshelf.terminal.prose import tell

    tell(f"reshelf: {message}", error=True)
    _report_to_script(command_line, message)
    return 2 if isinstance(error, BadSettings) else 1


def _in_words(error: Exception) -> str | None:
    if isinstance(error, ReshelfError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return _of_clients(error)


def _of_clients(error: Exception) -> str | None:
    """Errors of the client libraries, by name: importing them here would slow every help down."""
    origins: Mapping[str, str] = {
        "redis": "Redis: {}. Check redis.url, redis.username and redis.password; `reshelf doctor` says more.",
        "confluent_kafka": "Kafka: {}. Check kafka.bootstrap and the brokers; `reshelf doctor` says more.",
    }
    for kind in type(error).__mro__:
        room = kind.__module__.partition(".")[0]
        if room in origins or kind.__name__ == "KafkaException":
            said = error.args[0].str() if kind.__name__ == "KafkaException" else str(error)
            return origins.get(room, origins["confluent_kafka"]).format(said.rstrip("."))
    return None
