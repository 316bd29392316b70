"""`--help` on a terminal of 80 columns: whole names, examples, exit codes, variables."""

import re
from typing import Any

import pytest
import typer.main

from parity.cli.help_texts import EXAMPLES, EXIT_CODES, SUMMARIES, epilog
from parity.cli.main import app
from tests.command_line import parity

PARTS = ["matrix status", "matrix plan", "matrix errors"]  # of a group of commands

COMMANDS = ["networks", "check", "traps", "compare", "convert", "repro", "train", "report", "doctor", "matrix", *PARTS]


def help_of(command: str = "") -> str:
    return parity(*command.split(), "--help", extra={"COLUMNS": "80"}).stdout


def parsed(command: str) -> Any:
    found: Any = typer.main.get_command(app)
    for name in command.split():
        found = found.commands[name]
    return found


def test_every_command_is_known_here() -> None:
    known = list(parsed("").commands)
    groups = [name for name in known if hasattr(parsed(name), "commands")]
    assert known + [f"{group} {name}" for group in groups for name in parsed(group).commands] == COMMANDS
    for table in (EXAMPLES, EXIT_CODES, SUMMARIES):
        assert set(table) - {""} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_help_fits_and_cuts_nothing_off(command: str) -> None:
    text = help_of(command)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    options = {name for parameter in parsed(command).params for name in (*parameter.opts, *parameter.secondary_opts)}
    shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text.partition("Examples:")[0]))
    assert {name for name in options if name.startswith("-")} <= shown
    for example in EXAMPLES[command]:
        assert f"    {example}\n" in text
    for code in EXIT_CODES[command]:
        assert re.search(rf"^    {code} +\S", text.partition("Exit codes:")[2], re.MULTILINE)


@pytest.mark.parametrize("command", EXIT_CODES)
def test_help_says_how_an_interrupted_command_ends(command: str) -> None:
    assert {130, 143} <= {int(line.split()[0]) for line in epilog(command).splitlines() if line.strip()[:3].isdigit()}


def test_the_list_of_commands_is_whole() -> None:
    text = help_of()
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.partition("Commands:")[2]
    for name, summary in SUMMARIES.items():
        if name in PARTS:
            continue
        assert re.search(rf"^  {name} +{re.escape(summary)}$", text, re.MULTILINE)
    for variable in ("PARITY_DATA", "PARITY_PADDLE_PYTHON", "PARITY_TENSORFLOW_PYTHON", "PARITY_DEBUG"):
        assert variable in text


def test_examples_are_of_real_commands_and_options() -> None:
    """An option that an example gives is one that its command has."""
    for command in COMMANDS:
        text = help_of(command)
        usage = text.partition("Examples:")[0]
        for example in EXAMPLES[command]:
            own = example.partition("&&")[0]
            for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", own):
                assert option in usage, (command, option)
