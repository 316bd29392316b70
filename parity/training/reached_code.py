"""The code that a result depends on: every definition of the project that is reached by name from given ones.

Nothing is imported; the sources are only parsed. In the text of a definition, other definitions of the project appear
by name and by their number in the order of the search. So a definition can be moved or documented without a change of
the texts.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from parity.system import ROOT
from parity.training.canonical_code import DEFINITIONS, canonical, dotted, in_one_scope


def reached(
    roots: Sequence[str], *, without: Collection[str] = (), chosen: str = "", root: Path = ROOT
) -> dict[str, str]:
    """The definitions that `roots` depend on, themselves included.

    A definition takes part when one that takes part names it. With the first definition of a module come the module's
    statements that bind no name (as `register(...)`), its definitions under a decorator of the project, and the same of
    the modules that it imports without using a name of them. Strings used as names (`getattr`) are not followed.

    Args:
        roots: as "package.module.name"; "package.module" means all that is defined there.
        without: definitions and modules, with all in them, that are left out: they appear by name alone.
        chosen: a definition that tables have as a key: where all keys of a dictionary are definitions and this is
            among them, its entry alone counts.
        root: the folder that holds the packages.

    Returns:
        Canonical texts by "module.name", in the order of the search.

    Raises:
        LookupError: a root, or something that is named as an attribute of a module, is not defined there.

    Example:
        >>> list(reached(["parity.numerics.arrays.unpack"]))
        ['parity.numerics.arrays.unpack']
    """
    return _Search(root, frozenset(without), chosen).run(roots)


@dataclass(eq=False)
class _Module:
    """The top of one source file."""

    name: str
    path: Path

    def __post_init__(self) -> None:
        self.imports: dict[str, str] = {}  # dotted origins by the name in this module
        self.bindings: dict[str, list[int]] = {}  # the statements that bind the name
        self.effects: list[int] = []  # those that do something else
        self.body = ast.parse(self.path.read_bytes(), self.path).body
        for index, statement in enumerate(self.body):
            self._sort(index, statement)

    def _sort(self, index: int, statement: ast.stmt) -> None:
        nested = [statement] if isinstance(statement, DEFINITIONS) else list(in_one_scope(statement))
        imports = [node for node in nested if isinstance(node, ast.Import | ast.ImportFrom)]
        for node in imports:
            self.imports |= self.imported(node)
        names = [node.id for node in nested if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        names += [node.name for node in nested if isinstance(node, DEFINITIONS)]
        for name in names:
            self.bindings.setdefault(name, []).append(index)
        simple = isinstance(statement, (*DEFINITIONS, ast.Import, ast.ImportFrom))
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        assigned = isinstance(statement, ast.Assign | ast.AnnAssign) and not any(
            isinstance(node, ast.Attribute | ast.Subscript) for node in targets
        )
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        only_imports = isinstance(statement, ast.If) and {*statement.body, *statement.orelse} == set(imports)
        as_a_script = isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)
        if not (simple or assigned or docstring or only_imports or as_a_script):
            self.effects.append(index)

    def imported(self, statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
        """The dotted origins of the names that an import binds."""
        if isinstance(statement, ast.Import):
            whole = {alias.asname or alias.name.partition(".")[0]: alias for alias in statement.names}
            return {name: alias.name if alias.asname else name for name, alias in whole.items()}
        parts = self.name.split(".")
        above = parts[: len(parts) - statement.level + (self.path.name == "__init__.py")] if statement.level else []
        origin = ".".join([*above, *([statement.module] if statement.module else [])])
        if any(alias.name == "*" for alias in statement.names):
            raise LookupError(f"{self.path}, line {statement.lineno}: expected names to import, found *")
        if origin == "__future__":
            return {}
        return {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in statement.names}

    @cached_property
    def unused(self) -> list[str]:
        """The origins of imports whose name is not used, and of whole modules, of which the name is only a part."""
        used = {node.id for statement in self.body for node in ast.walk(statement) if isinstance(node, ast.Name)}
        whole = [
            alias.name for statement in self.body if isinstance(statement, ast.Import) for alias in statement.names
        ]
        return [*whole, *(origin for name, origin in self.imports.items() if name not in used)]


@dataclass(frozen=True)
class Statement:
    """One statement at the top of a module."""

    module: _Module
    index: int

    @property
    def node(self) -> ast.stmt:
        """Its syntax tree."""
        return self.module.body[self.index]

    @property
    def title(self) -> str:
        """Its module, and what it binds; a number where that is nothing, or not by this statement alone."""
        names = [name for name, indices in self.module.bindings.items() if indices == [self.index]]
        return f"{self.module.name}.{','.join(names) or self.index}"


@dataclass
class _Search:
    """What has been reached so far."""

    root: Path
    without: frozenset[str]
    chosen: str
    queue: list[Statement] = field(default_factory=list)  # in the order of the search
    modules: dict[str, _Module | None] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)  # modules that take part
    pending: list[_Module] = field(default_factory=list)  # those of which nothing but what was named does so far

    def run(self, roots: Sequence[str]) -> dict[str, str]:
        """As `reached`."""
        for name in roots:
            if self.refer(name.split(".")) == name.split("."):
                raise LookupError(f"{self.root}: expected a definition {name}, found no such module")
        texts: dict[str, str] = {}
        while len(texts) < len(self.queue) or self.pending:
            if len(texts) < len(self.queue):
                statement = self.queue[len(texts)]
                texts[statement.title] = canonical(statement.node, _NamesIn(self, statement.module))
            else:  # last, so that the order does not depend on how a module was imported
                self.take_effects(self.pending.pop(0))
        return texts

    def module(self, name: str) -> _Module | None:
        """The module of the project of that name, None where there is none."""
        if name not in self.modules:
            location = self.root.joinpath(*name.split("."))
            files = [path for path in (location / "__init__.py", location.with_suffix(".py")) if path.is_file()]
            self.modules[name] = _Module(name, files[0]) if files else None
        return self.modules[name]

    def origin(self, parts: list[str]) -> tuple[str, list[str]]:
        """Follow imports: the dotted name of a definition (unchanged outside of the project), and the attributes."""
        for length in range(len(parts), 0, -1):
            module = self.module(".".join(parts[:length]))
            if module is None:
                continue
            if length == len(parts):
                return module.name, []
            name, rest = parts[length], parts[length + 1 :]
            if name in module.bindings:
                return f"{module.name}.{name}", rest
            if name in module.imports:
                defined, further = self.origin(module.imports[name].split("."))
                return defined, [*further, *rest]
            if name.startswith("__"):  # __name__ and the like
                break
            raise LookupError(f"{module.path}: expected a definition of {name!r}, found none")
        return ".".join(parts), []

    def refer(self, parts: list[str]) -> list[str]:
        """How a canonical text names this dotted name; adds a definition of the project to the search."""
        defined, rest = self.origin(parts)
        above, _, name = defined.rpartition(".")
        if self.is_left_out(defined):
            return [name, *rest]
        if whole := self.module(defined):
            numbers = [self.number(whole, index) for indices in whole.bindings.values() for index in indices]
        elif module := self.module(above):
            numbers = [self.number(module, index) for index in module.bindings.get(name, ())]
        else:
            return [*defined.split("."), *rest]
        return [f"{name}<{','.join(map(str, numbers))}>", *rest]

    def is_left_out(self, defined: str) -> bool:
        """Whether the definition of this dotted name is left out."""
        return any(f"{defined}.".startswith(f"{prefix}.") for prefix in self.without)

    def number(self, module: _Module, index: int) -> int:
        """The index of a statement in the order of the search."""
        statement = Statement(module, index)
        if statement not in self.queue:
            self.queue.append(statement)
            self.touch(module)
        return self.queue.index(statement)

    def touch(self, module: _Module) -> None:
        """Add a module, and the modules that it imports for their effects alone."""
        if module.name in self.touched or self.is_left_out(module.name):
            return
        self.touched.add(module.name)
        self.pending.append(module)
        for origin in module.unused:
            if other := self.module(origin) or self.module(origin.rpartition(".")[0]):
                self.touch(other)

    def take_effects(self, module: _Module) -> None:
        """Add the statements of a module that take part though nothing names them."""
        names = _NamesIn(self, module)
        for index, node in enumerate(module.body):
            decorators = node.decorator_list if isinstance(node, DEFINITIONS) else []
            called = [
                dotted(decorator.func if isinstance(decorator, ast.Call) else decorator) for decorator in decorators
            ]
            if index in module.effects or any(names.is_of_the_project(parts) for parts in called):
                self.number(module, index)


@dataclass
class _NamesIn:
    """The names in one module, for `canonical`."""

    search: _Search
    module: _Module

    def imported(self, statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
        return self.module.imported(statement)

    def absolute(self, name: str) -> str:
        if name in self.module.bindings:
            return f"{self.module.name}.{name}"
        return self.module.imports.get(name, "")

    def refer(self, parts: list[str]) -> list[str]:
        return self.search.refer(parts)

    def is_chosen(self, keys: list[list[str]]) -> list[bool]:
        defined = [self.search.origin(parts)[0] if parts else "" for parts in keys]
        narrow = all(defined) and self.search.chosen in defined
        return [not narrow or key == self.search.chosen for key in defined]

    def is_of_the_project(self, parts: list[str]) -> bool:
        """Whether what the module has under this dotted name is defined in the project."""
        origin = self.absolute(parts[0]) if parts else ""
        defined = self.search.origin([*origin.split("."), *parts[1:]])[0] if origin else ""
        return self.search.module(defined.rpartition(".")[0]) is not None
