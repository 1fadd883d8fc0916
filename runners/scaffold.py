"""The verb `new`: files that keep the contract as they are, with blanks to fill."""

from __future__ import annotations

import ast
import keyword
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from runners import catalog, docstrings, plugins
from runners.arenas import package_of
from runners.errors import CommandError, one_line
from runners.templates import ARENA, METHOD, METHOD_YAML, PACKAGE, PROJECT, TASK, TASK_YAML
from runners.words import only_keys

Files = dict[Path, str]


@dataclass(frozen=True)
class Place:
    """Where files go.

    Args:
        folder: holds `methods`, `tasks` and `configs`.
        package: dotted name of that folder; empty for our own tree.
    """

    folder: Path
    package: str

    def module(self, kind: str, arena: str) -> str:
        """The package of an arena's methods or tasks."""
        return ".".join(part for part in (self.package, kind, arena) if part)


def command(words: Sequence[str]) -> int:
    """`bakeoff new method=arena/name | task=arena/name | arena=name | plugin=FOLDER`; the exit code.

    Raises:
        CommandError: the words cannot be understood, or a file is there already.
    """
    values = only_keys("new", words, {"method": "", "task": "", "arena": "", "plugin": ""})
    asked = [(key, value) for key, value in values.items() if value]
    if len(asked) != 1:
        raise CommandError("new takes one of method=arena/name, task=arena/name, arena=name, plugin=FOLDER")
    key, value = asked[0]
    files = plugin(Path(value)) if key == "plugin" else dict(WRITERS[key](value, here(Path.cwd())))
    for path in files:
        if path.exists():
            raise CommandError(f"{path} is there already; nothing was written")
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(one_line(error)) from error
    for path in files:
        print(f"wrote {path}")  # noqa: T201 (a verb's answer)
    print(NEXT[key].format(value=value))  # noqa: T201
    return 0


def here(folder: Path) -> Place:
    """The plugin or checkout that a folder lies in.

    Raises:
        CommandError: neither.
    """
    for top in (folder, *folder.parents):
        project = top / "pyproject.toml"
        if not project.is_file():
            continue
        try:
            content = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CommandError(f"{project}: {one_line(error)}") from error
        if content.get("name") == "bakeoff":
            return Place(top, "")
        for package in content.get("entry-points", {}).get(plugins.GROUP, {}).values():
            for base in (top / "src", top):
                inside = base.joinpath(*package.split("."))
                if inside.is_dir():
                    return Place(inside, package)
    raise CommandError(f"{folder} lies in no plugin; make one with `bakeoff new plugin=FOLDER` and go there")


def plugin(folder: Path) -> Files:
    """A package with nothing in it.

    Raises:
        CommandError: the folder's name is no name of a package.
    """
    package = _identifier(re.sub(r"[-. ]", "_", folder.absolute().name.lower()), "plugin")
    inside = folder / package
    return {
        folder / "pyproject.toml": PROJECT.format(package=package, distribution=package.replace("_", "-")),
        inside / "__init__.py": PACKAGE,
        inside / "methods" / "__init__.py": "",
        inside / "tasks" / "__init__.py": "",
        inside / "configs" / "README.md": "YAML files of methods and tasks: `method/<arena>/<name>.yaml`, `task/..`.\n",
    }


def arena(name: str, place: Place) -> Iterator[tuple[Path, str]]:
    """A question of one's own, with a task and a method.

    Raises:
        CommandError: there is such an arena, or the name is no name of a package.
    """
    _identifier(name, "arena")
    try:
        there = package_of(name)
    except CommandError:
        there = ""
    if there:
        raise CommandError(f"arena: there is an arena {name}: {there}")
    names = {"arena": name, "problem": f"{_camel(name)}Problem", "task": "Example", "method": "Guess"}
    tasks, methods = place.module("tasks", name), place.module("methods", name)
    yield place.folder / "tasks" / name / "__init__.py", ARENA.format(**names)
    yield place.folder / "tasks" / name / "example.py", TASK.format(package=tasks, **names)
    yield _yaml(place, "task", f"{name}/example"), TASK_YAML.format(package=tasks, module="example", **names)
    yield place.folder / "methods" / name / "__init__.py", ""
    yield place.folder / "methods" / name / "guess.py", METHOD.format(package=tasks, **names)
    yield _yaml(place, "method", f"{name}/guess"), METHOD_YAML.format(package=methods, module="guess", **names)


def method(name: str, place: Place) -> Iterator[tuple[Path, str]]:
    """A method that begins as the simplest one of its arena."""
    said = {"role": "baseline", "source": "TODO: where it comes from", "fidelity": "none"}
    return _copied("method", name, place, said)


def task(name: str, place: Place) -> Iterator[tuple[Path, str]]:
    """A task that begins as the simplest one of its arena."""
    return _copied("task", name, place, {})


def _copied(kind: str, name: str, place: Place, said: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """A module and a YAML file like those of the simplest plugin of an arena.

    Raises:
        CommandError: there is no such arena, or the name is taken or cannot be one.
    """
    own_arena, slash, short = name.partition("/")
    if not slash:
        raise CommandError(f"{kind}: '{name}' is not of the form arena/name")
    _identifier(short, kind)
    package_of(own_arena)
    if name in catalog.names(kind):
        raise CommandError(f"{kind}: there is a {kind} {name}: {catalog.find(kind, name).path}")
    model = _simplest(kind, own_arena)
    source, target = docstrings.source_of(model.target.rpartition(".")[0]), model.target.rpartition(".")[2]
    folder = place.folder / f"{kind}s" / own_arena
    if not (folder / "__init__.py").exists():
        yield folder / "__init__.py", ""
    yield folder / f"{short}.py", _renamed(source, target, _camel(short), model.name)
    new = f"{place.module(f'{kind}s', own_arena)}.{short}.{_camel(short)}"
    yield _yaml(place, kind, name), _card(model, new, said)


def _simplest(kind: str, arena_name: str) -> catalog.Entry:
    """The plugin whose module is shortest, of those that share no private part with others if there is one.

    Raises:
        CommandError: the arena has none.
    """
    found = [entry for entry in catalog.entries(kind, f"{arena_name}/*") if not entry.broken]
    ranked = []
    for entry in found:
        source = docstrings.source_of(entry.target.rpartition(".")[0])
        if entry.card.get("role") != "ablation":
            ranked.append(
                (len(re.findall(r"^from \S+\._", source, re.M)) > 0, len(source.splitlines()), entry.name, entry)
            )
    if not ranked:
        raise CommandError(f"{kind}: the arena {arena_name} has none to begin with")
    return min(ranked)[3]


def _renamed(source: str, old: str, new: str, model: str) -> str:
    """A module whose class is called otherwise and whose docstrings are blanks."""
    text = re.sub(rf"\b{old}\b", new, source)
    tree, lines = ast.parse(text), text.splitlines()
    blanks = [(tree.body[0], f'"""TODO: what this does, in a line. It began as a copy of {model}."""')]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == new and ast.get_docstring(node):
            kept = re.search(r"^ *Args:.*", ast.get_docstring(node, clean=False) or "", re.M | re.S)
            rest = f"\n\n{kept[0].rstrip()}\n    " if kept else ""
            blanks.append((node.body[0], f'    """TODO: paper, equation, then deviations, numbered.{rest}"""'))
    for node, blank in reversed(blanks):
        lines[node.lineno - 1 : node.end_lineno] = blank.splitlines()
    return "\n".join(lines) + "\n"


def _card(model: catalog.Entry, target: str, said: Mapping[str, str]) -> str:
    """The YAML of a plugin with another class, its values with their comments, and a card to fill."""
    text = model.path.read_text(encoding="utf-8")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode), "the catalogue has read it"
    begin, end = next((key.start_mark.line, value.end_mark.line) for key, value in node.value if key.value == "card")
    lines = text.splitlines()
    kept = [re.sub(r"^_target_:.*", f"_target_: {target}", line) for line in (*lines[:begin], *lines[end:])]
    own = {key: value for key, value in model.card.items() if key in ("rank", "scales", "axes", "data", "search")}
    card = {**said, "version": 1, "title": "TODO: one line for tables", **own}
    return "\n".join(kept) + "\n" + yaml.safe_dump({"card": card}, sort_keys=False, width=110, allow_unicode=True)


def _yaml(place: Place, kind: str, name: str) -> Path:
    return place.folder / "configs" / kind / f"{name}.yaml"


def _identifier(name: str, key: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise CommandError(f"{key}: '{name}' cannot be the name of a Python module; use small letters, digits and _")
    return name


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


WRITERS = {"method": method, "task": task, "arena": arena}
NEXT: Mapping[str, str] = {
    "plugin": "next: pip install -e {value}, go there, and `bakeoff new method=arena/name` or `bakeoff new arena=name`",
    "arena": "next: fill in what says TODO, then `bakeoff check method={value}/guess task={value}/example`",
    "method": "next: fill in what says TODO, then `bakeoff check method={value}`",
    "task": "next: fill in what says TODO, then `bakeoff check task={value}`",
}
