"""Reduce Python source to what decides its behaviour, independent of the file in which it is defined.

Comments, docstrings, formatting, type hints, the texts of errors and imports are removed. Names of the project are
replaced by those that `Names.refer` gives.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterator
from typing import Protocol

Function = ast.FunctionDef | ast.AsyncFunctionDef

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

NO_FIELDS = ("ClassVar", "InitVar")  # type hints that change what a dataclass is


class Names(Protocol):
    """How the names in one module are resolved."""

    def imported(self, statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
        """The dotted names that an import binds, by their names in this module."""

    def absolute(self, name: str) -> str:
        """The absolute dotted name of what has this name in the module; empty where nothing has."""

    def refer(self, parts: list[str]) -> list[str]:
        """The parts by which the canonical text names an absolute dotted name."""

    def is_chosen(self, keys: list[list[str]]) -> list[bool]:
        """Which entries of a dictionary with these keys (dotted names; [] for a key that is not a name) are kept."""


def canonical(statement: ast.stmt, names: Names) -> str:
    """The canonical text of a statement at the top of a module.

    Args:
        statement: it is not changed.
        names: of its module.

    Returns:
        Python source. Two statements with the same text do the same.
    """
    return ast.unparse(ast.fix_missing_locations(_Canonical(names).visit(copy.deepcopy(statement))))


class _Canonical(ast.NodeTransformer):
    """One pass over a statement."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.hidden: list[set[str]] = []  # local names of the enclosing functions, innermost last
        self.imports: list[dict[str, str]] = []  # and what they import

    def absolute(self, node: ast.AST | None) -> list[str]:
        """A name, or attributes of one, as an absolute dotted name; [] for other expressions and local names."""
        name, *attributes = dotted(node) or [""]
        if any(name in names for names in self.hidden):
            return []
        local = [imports[name] for imports in self.imports if name in imports]
        origin = local[-1] if local else self.names.absolute(name)
        return [*origin.split("."), *attributes] if origin else []

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._reference(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._reference(node)

    def _reference(self, node: ast.Name | ast.Attribute) -> ast.AST:
        absolute = self.absolute(node)
        if not absolute or (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)):
            return self.generic_visit(node) if isinstance(node, ast.Attribute) else node
        name, *attributes = self.names.refer(absolute)
        reference: ast.expr = ast.Name(name, ast.Load())
        for attribute in attributes:
            reference = ast.Attribute(reference, attribute, ast.Load())
        return reference

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        chosen = self.names.is_chosen([self.absolute(key) for key in node.keys])
        node.keys = list(itertools.compress(node.keys, chosen))
        node.values = list(itertools.compress(node.values, chosen))
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: Function) -> ast.AST:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        self._defaults(node.args)
        node.returns = None
        inside = [inner for statement in node.body for inner in in_one_scope(statement)]
        imports = [inner for inner in inside if isinstance(inner, ast.Import | ast.ImportFrom)]
        bound = {inner.id for inner in inside if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}
        bound |= {inner.name for inner in inside if isinstance(inner, DEFINITIONS)} | _arguments(node.args)
        bound -= {name for inner in inside if isinstance(inner, ast.Global) for name in inner.names}
        self.hidden.append(bound)
        self.imports.append({name: origin for inner in imports for name, origin in self.names.imported(inner).items()})
        node.body = self._body(node.body)
        self.hidden.pop()
        self.imports.pop()
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._defaults(node.args)
        self.hidden.append(_arguments(node.args))
        node.body = self.visit(node.body)
        self.hidden.pop()
        return node

    def _defaults(self, arguments: ast.arguments) -> None:
        for part in ast.walk(arguments):
            if isinstance(part, ast.arg):
                part.annotation = None
        arguments.defaults = [self.visit(part) for part in arguments.defaults]
        arguments.kw_defaults = [part and self.visit(part) for part in arguments.kw_defaults]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [self.visit(part) for part in node.decorator_list]
        node.bases = [self.visit(part) for part in node.bases]
        node.keywords = [self.visit(part) for part in node.keywords]
        for part in node.body:
            if isinstance(part, ast.AnnAssign):  # what is annotated is a field of a dataclass, whatever its type
                hint = ast.unparse(part.annotation)
                part.annotation = ast.Name("Any", ast.Load())
                if any(word in hint for word in NO_FIELDS):
                    part.annotation = ast.Constant(hint)
        node.body = self._body(node.body, fields=True)
        return node

    def _body(self, statements: list[ast.stmt], *, fields: bool = False) -> list[ast.stmt]:
        kept = []
        for statement in statements:
            if fields and isinstance(statement, ast.AnnAssign):
                statement.value = statement.value and self.visit(statement.value)
                kept.append(statement)
            elif (visited := self.visit(statement)) is not None:
                kept.append(visited)
        return [statement for statement in kept if not isinstance(statement, ast.Pass)] or [ast.Pass()]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(kind and self.visit(kind), None)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.Assert(self.visit(node.test), None)


def dotted(node: ast.AST | None) -> list[str]:
    """The parts of a name, or of attributes of one; empty where it is another expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return [node.id, *parts] if isinstance(node, ast.Name) else []


def _arguments(arguments: ast.arguments) -> set[str]:
    return {part.arg for part in ast.walk(arguments) if isinstance(part, ast.arg)}


def in_one_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all nodes in it of the same scope; of an inner function or class the definition alone."""
    yield node
    if isinstance(node, (*DEFINITIONS, ast.Lambda)):
        return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.comprehension) and child is node.target):  # its own names
            yield from in_one_scope(child)
