"""Which code a result rests on, found in sources without running them: what counts of it, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from parity.training.reached_code import reached

Write = Callable[..., Path]

MAIN = """
'''The docstring.'''
from __future__ import annotations
import math
from typing import TYPE_CHECKING
from project import shapes
from project.rules import rule as update
if TYPE_CHECKING:
    from project.unrelated import Unrelated

SCALE = 2  # a comment

def main(x: Unrelated) -> float:
    '''What it does.'''
    from project.late import late
    if x < 0:
        raise ValueError(f"x: expected 0 or more, found {x}")
    return SCALE * update(shapes.TABLE, x) + math.pi + late(x)

def unrelated():
    return 1
"""

SHAPES = """
from project.kinds import circle, square, Circle, Square

TABLE = {Circle: circle, Square: square}
TABLE.update({})
"""

RULES = """
def _helper(x):
    return x + 1

def rule(table, x, scale=3):
    return [_helper(x) for _ in table]
"""

KINDS = """
class Circle: ...
class Square: ...
def circle(): return 1
def square(): return 2
"""

FILES = {
    "main": MAIN, "shapes": SHAPES, "rules": RULES, "kinds": KINDS,
    "late": "def late(x): return x", "unrelated": "class Unrelated: ...",
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the project with some modules otherwise (None: not at all), and return where it lies."""

    def write(**changed: str | None) -> Path:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        (root / "project").mkdir(parents=True)
        for name, text in ({"__init__": ""} | FILES | changed).items():
            if text is not None:
                (root / "project" / f"{name}.py").write_text(text)
        return root

    return write


def texts(root: Path, chosen: str = "") -> list[str]:
    return list(reached(["project.main.main"], chosen=chosen, root=root).values())


def test_what_is_named_takes_part_and_nothing_else(write: Write) -> None:
    assert set(reached(["project.main.main"], root=write())) == {
        "project.main.main", "project.late.late", "project.main.SCALE", "project.rules.rule", "project.shapes.TABLE",
        "project.shapes.2", "project.rules._helper", "project.kinds.Circle", "project.kinds.circle",
        "project.kinds.Square", "project.kinds.square",
    }  # fmt: skip


SHAPES_IMPORT = "from project import shapes"

OTHER_RULES = MAIN.replace("from project.rules import", "from project.other import")


@pytest.mark.parametrize(
    "changes",
    [
        {"main": MAIN.replace("# a comment", "# another")},
        {"main": MAIN.replace("What it does.", "What else it does.")},
        {"main": MAIN.replace("'''What it does.'''", "")},
        {"main": MAIN.replace("SCALE = 2", "\n\nSCALE   =   (2)")},
        {"main": MAIN.replace("SCALE = 2", "SCALE: int = 2")},
        {"main": MAIN.replace("expected 0 or more", "expected a positive number")},
        {"main": MAIN.replace("-> float", "-> int")},
        {"main": MAIN.replace("return 1", "return 2")},
        {"main": MAIN.replace("import math", "import math as m").replace("math.pi", "m.pi")},
        {"main": MAIN.replace("as update", "as how").replace("update(", "how(")},
        {"main": MAIN.replace(SHAPES_IMPORT, "import project.shapes").replace("(shapes.", "(project.shapes.")},
        {"main": MAIN.replace(SHAPES_IMPORT, "from .shapes import TABLE").replace("shapes.TABLE", "TABLE")},
        {"main": OTHER_RULES, "other": RULES, "rules": None},
        {"main": MAIN.replace("SCALE = 2", "from project.late import SCALE"), "late": FILES["late"] + "\nSCALE = 2"},
        {"rules": RULES.replace("def _helper(x):\n    return x + 1\n", "") + "def _helper(x):\n    return x + 1\n"},
        {"unrelated": "class Unrelated: x = 1"},
    ],
)  # fmt: skip
def test_what_decides_nothing_changes_nothing(write: Write, changes: dict[str, str | None]) -> None:
    assert any(text != FILES.get(name) for name, text in changes.items())
    assert texts(write(**changes)) == texts(write())


@pytest.mark.parametrize(
    "changes",
    [
        {"main": MAIN.replace("SCALE = 2", "SCALE = 3")},
        {"main": MAIN.replace("x < 0", "x <= 0")},
        {"main": MAIN.replace("import math", "import cmath as math")},
        {"main": OTHER_RULES, "other": RULES.replace("+", "-")},
        {"rules": RULES.replace("x + 1", "x - 1")},
        {"rules": RULES.replace("scale=3", "scale=4")},
        {"rules": RULES.replace("rule(table, x,", "rule(x, table,")},
        {"shapes": SHAPES.replace("update({})", "clear()")},
        {"shapes": SHAPES.replace("Circle: circle, Square: square", "Circle: square, Square: circle")},
        {"kinds": KINDS.replace("return 2", "return 3")},
        {"late": "def late(x): return -x"},
        {"late": "from project.unrelated import late", "unrelated": "class Unrelated: ...\ndef late(x): return 2 * x"},
    ],
)  # fmt: skip
def test_what_decides_something_is_seen(write: Write, changes: dict[str, str | None]) -> None:
    assert texts(write(**changes)) != texts(write())


def test_of_a_table_the_chosen_entry_alone_takes_part(write: Write) -> None:
    one = texts(write(), chosen="project.kinds.Circle")
    assert one == texts(write(kinds=KINDS.replace("return 2", "return 3")), chosen="project.kinds.Circle")
    assert one != texts(write(kinds=KINDS.replace("return 1", "return 3")), chosen="project.kinds.Circle")
    assert one != texts(write())


def test_what_registers_itself_takes_part(write: Write) -> None:
    register = "TABLE = {}\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n"
    one = "from project.unrelated import register\n@register\ndef square(x):\n    return x * x\n"
    main = "from project.unrelated import TABLE\nimport project.late\ndef main():\n    return TABLE\n"
    before = texts(write(main=main, unrelated=register, late=one))
    assert before != texts(write(main=main, unrelated=register, late=one.replace("x * x", "x + x")))
    assert before != texts(write(main=main, unrelated=register, late=one.replace("@register\n", "")))


def test_a_name_of_its_own_is_not_the_modules(write: Write) -> None:
    """A parameter or a variable hides what the module has under its name; it does not within another function."""
    for body in (
        "def main(late): return late",
        "def main():\n    late = 1\n    return late",
        "main = lambda late: late",
    ):
        texts = reached(["project.main.main"], root=write(main=f"from project.late import late\n{body}\n"))
        assert list(texts) == ["project.main.main"]
    for body in (
        "def main():\n    def inner(late): return late\n    return inner(late)",
        "def main(late=late): return late",
        "def main(x): return [late for late in x], late(1)",
    ):
        texts = reached(["project.main.main"], root=write(main=f"from project.late import late\n{body}\n"))
        assert list(texts) == ["project.main.main", "project.late.late"]


def test_fields_of_a_dataclass_count_and_their_types_do_not(write: Write) -> None:
    fields = "from dataclasses import dataclass\n@dataclass\nclass main:\n    x: int = 1\n    y: int = 2\n"
    before = texts(write(main=fields))
    assert before == texts(write(main=fields.replace("x: int", "x: float")))
    for change in (("x: int", "x: ClassVar[int]"), ("x: int = 1", "x = 1"), ("x: int = 1", "x: int = 3")):
        assert before != texts(write(main=fields.replace(*change)))


@pytest.mark.parametrize(
    ("root", "changes", "message"),
    [
        ("project.main.missing", {}, "main.py: expected a definition of 'missing', found none"),
        ("other.main", {}, "expected a definition other.main, found no such module"),
        ("project.main.main", {"shapes": ""}, "shapes.py: expected a definition of 'TABLE', found none"),
        ("project.main.main", {"main": "from project.late import *\n"}, r"main.py, line 1: .* found \*"),
    ],
)
def test_what_cannot_be_found_is_an_error(write: Write, root: str, changes: dict[str, str], message: str) -> None:
    with pytest.raises(LookupError, match=message):
        reached([root], root=write(**changes))
