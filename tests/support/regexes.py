"""The regular expressions of a source tree, and whether one takes too long for a text that is made to be slow."""

import ast
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

# The parser of `re` itself, which tells what a pattern consists of. It is private, and the same from Python 3.11 on.
_parser: Final[Any] = re._parser  # type: ignore[attr-defined]
_FLAGS: Final = ("IGNORECASE", "MULTILINE", "DOTALL", "VERBOSE", "ASCII")

#: The functions of `re` that take a pattern.
_FUNCTIONS: Final = frozenset(
    {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
)

#: Those that try a text from its beginning alone. The others try it from each of its places.
_ANCHORED: Final = frozenset({"match", "fullmatch"})


@dataclass(frozen=True)
class Regex:
    """A pattern as the sources use it; `where` is its file and line."""

    where: str
    pattern: re.Pattern[str]
    anchored: bool


def regexes_in(root: Path) -> Iterator[Regex]:
    """Every pattern that is given to a function of `re` in the modules below a folder of packages.

    Raises: AssertionError, for one that is neither a literal nor a global of its module.
    """
    modules = {path: ast.parse(path.read_text(), str(path)) for path in sorted(root.rglob("*.py"))}
    used: dict[str, set[str]] = {}
    for tree in modules.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                used.setdefault(_last_name(node.value), set()).add(node.attr)
    for path, tree in modules.items():
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        names = {_target(node): node.value for node in tree.body if _target(node)}  # type: ignore[attr-defined]
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and _is_of_re(call.func)):
                continue
            function = call.func.attr  # type: ignore[attr-defined]
            name = next((name for name, value in names.items() if value is call), "")
            pattern = _literal(call) or (getattr(import_module(module), name) if name else None)
            where = f"{path.relative_to(root)}:{call.lineno}"
            assert pattern is not None, f"{where}: a pattern has to be a literal, or a global of its module"
            # One that is handed on may be searched for.
            uses = (used.get(name, set()) & _FUNCTIONS or {"search"}) if function == "compile" else {function}
            yield Regex(where, pattern, uses <= _ANCHORED)


def _target(node: ast.stmt) -> str:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return _last_name(node.targets[0])
    return _last_name(node.target) if isinstance(node, ast.AnnAssign) and node.value else ""


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _is_of_re(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and _last_name(function.value) == "re" and function.attr in _FUNCTIONS


def _literal(call: ast.Call) -> re.Pattern[str] | None:
    pattern = call.args[0]
    if not (isinstance(pattern, ast.Constant) and isinstance(pattern.value, str)):
        return None
    named = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
    flags = re.NOFLAG
    for flag in _FLAGS:
        flags |= getattr(re, flag) if flag in named else re.NOFLAG
    return re.compile(pattern.value, flags)


# --- Texts that are made to be slow -----------------------------------------------------------------------------------

#: More repeats than this may be a matter of the text's length.
_MANY: Final = 16


def attacks(pattern: re.Pattern[str]) -> set[tuple[str, str, str]]:
    """Beginnings, what to repeat, and ends: for each repeat in a pattern what leads there, and what keeps it going."""
    parsed = _parser.parse(pattern.pattern, pattern.flags)
    letters = sorted({chr(value) for value in _literals(parsed)} | set("a0 .\n"))
    found: set[tuple[str, str, str]] = set()
    for before, repeated in _repeats(parsed, "", letters):
        for end in ("", "\0"):
            found |= {(before, repeated, end), ("", before + repeated, end)}
    return found


def _repeats(items: Any, before: str, letters: list[str]) -> Iterator[tuple[str, str]]:
    for operation, argument in items:
        kind = str(operation)
        if kind.endswith("_REPEAT"):
            _, most, body = argument
            if most >= _MANY:
                yield from ((before, sample) for sample in _samples(body, letters))
            yield from _repeats(body, before, letters)
        for inner in _inner(kind, argument):
            yield from _repeats(inner, before, letters)
        before += next(iter(_samples([(operation, argument)], letters)), "")


def _inner(kind: str, argument: Any) -> Iterable[Any]:
    match kind:
        case "SUBPATTERN":
            return [argument[3]]
        case "BRANCH":
            return list(argument[1])
        case "ASSERT" | "ATOMIC_GROUP":
            return [argument[1] if kind == "ASSERT" else argument]
    return []


def _samples(items: Any, letters: list[str]) -> list[str]:
    """Some of the texts that match, short ones."""
    texts = [""]
    for operation, argument in items:
        kind = str(operation)
        match kind:
            case "LITERAL":
                parts = [chr(argument)]
            case "NOT_LITERAL" | "IN" | "ANY":
                parts = [letter for letter in letters if _is_in(kind, argument, letter)] or [_any_of(kind, argument)]
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, _, body = argument
                parts = [sample * max(least, 1) for sample in _samples(body, letters)]
            case "SUBPATTERN" | "BRANCH" | "ATOMIC_GROUP":
                parts = [sample for inner in _inner(kind, argument) for sample in _samples(inner, letters)]
            case _:
                # A place, or what stands before or behind it.
                parts = [""]
        texts = [text + part for text in texts for part in parts][:_MANY]
    return texts


def _any_of(kind: str, argument: Any) -> str:
    return next(chr(code) for code in range(1, 0x11000) if _is_in(kind, argument, chr(code)))


def _is_in(kind: str, argument: Any, letter: str) -> bool:
    if kind == "ANY":
        return letter != "\n"
    if kind == "NOT_LITERAL":
        return letter != chr(argument)
    negated = str(argument[0][0]) == "NEGATE"
    return negated is not any(_is_member(member, letter) for member in argument)


def _is_member(member: tuple[Any, Any], letter: str) -> bool:
    operation, argument = member
    match str(operation):
        case "LITERAL":
            return bool(letter == chr(argument))
        case "RANGE":
            return bool(argument[0] <= ord(letter) <= argument[1])
        case "CATEGORY":
            name = str(argument).removeprefix("CATEGORY_")
            kinds: dict[str, Callable[[str], bool]] = {
                "DIGIT": str.isdecimal,
                "SPACE": str.isspace,
                "WORD": lambda each: each.isalnum() or each == "_",
            }
            return kinds[name.removeprefix("NOT_")](letter) is not name.startswith("NOT_")
    return False


def _literals(items: Any) -> Iterator[int]:
    """The characters that a pattern names."""
    for operation, argument in items:
        kind = str(operation)
        if kind in ("LITERAL", "NOT_LITERAL"):
            yield argument
        elif kind == "IN":
            yield from (
                value if str(each) == "LITERAL" else value[0]
                for each, value in argument
                if str(each) in ("LITERAL", "RANGE")
            )
        elif kind.endswith("_REPEAT"):
            yield from _literals(argument[2])
        for inner in _inner(kind, argument):
            yield from _literals(inner)


# --- Judging ----------------------------------------------------------------------------------------------------------

# In repeats. What doubles with each further one has to be seen before it takes hours.
_SIZES: Final = (8, 12, 16, 20, 24, 28, 32, 64, 128, 256, 512, 1024, 4096)

# Four times as long a text may take four times as long, and on a busy machine some more; not sixteen times.
_GROWTH: Final = 8

# In seconds. What takes less is too short to be compared, and far below what a slow one takes for 4096 repeats.
_NOTHING: Final = 0.002
_ENOUGH: Final = 0.05


def slow_text(regex: Regex) -> str | None:
    """What a pattern takes more than its share of time for as it grows, or None."""
    try_it = regex.pattern.match if regex.anchored else regex.pattern.search
    for beginning, repeated, end in sorted(attacks(regex.pattern)):
        times: list[float] = []
        for size in _SIZES:
            text = beginning + repeated * size + end
            times.append(min(_seconds(try_it, text) for _ in range(3)))
            if times[-1] > _ENOUGH:
                break
        growth = max((later / max(earlier, 1e-9) for earlier, later in pairwise(times[-2:])), default=0)
        if times[-1] > _NOTHING and growth > (_GROWTH if len(times) == len(_SIZES) else 3):
            return f"{beginning!r} + {repeated!r} * n + {end!r}"
    return None


def _seconds(try_it: Callable[[str], object], text: str) -> float:
    start = time.perf_counter()
    try_it(text)
    return time.perf_counter() - start
