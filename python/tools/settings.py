"""Makes rtrl/settings.py, the classes of all cells, estimators and optimizers, from docs/CONFIGURATION.md.

That page is itself made from the Rust types. Run it after a change of a registry: python tools/settings.py
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "CONFIGURATION.md"
OUT = ROOT / "python" / "rtrl" / "settings.py"

# Names that are not the words of the kind, each with a capital: those of the papers, as in the prelude of the Rust crate.
NAMES = {"snap": "SnAp", "snap-top-k": "SnApTopK", "ok": "OptimalKronecker", "adamw": "AdamW"}
BASES = {"layers": "Cell", "estimator": "Estimator", "optimizer": "Optimizer"}

HEAD = '''"""Cells, estimators and optimizers with their settings.

Made by tools/settings.py from docs/CONFIGURATION.md, which is made from the Rust types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Optional

from ._settings import Cell, Estimator, Optimizer
'''


def class_name(kind: str) -> str:
    return NAMES.get(kind) or "".join(word.capitalize() for word in kind.split("-"))


def plain(text: str) -> str:
    """Text of a docstring: without links and marks of code."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return text.replace("`", "").replace("\\", "").strip()


def rows(section: str) -> list[list[str]]:
    found = re.findall(r"^\| (`.*) \|$", section, re.M)
    return [re.split(r" \| ", row) for row in found]


def values(sections: dict[str, str], title: str) -> list[str]:
    return [row[0].split("`")[1] for row in rows(sections[title])]


def python_type(sections: dict[str, str], text: str) -> str:
    link = re.match(r"\[(.*)\]\(", text)
    if link:
        return "Literal[" + ", ".join(values(sections, link[1])) + "]"
    return {"whole number": "int", "number": "float", "`true` or `false`": "bool", "text": "str"}[text]


def default(text: str) -> str | None:
    if text == "required":
        return None
    if text == "none":
        return "None"
    found = text.strip("`")
    return {"true": "True", "false": "False"}.get(found, found)


def one(sections: dict[str, str], base: str, kind: str, section: str) -> str:
    lines = section.strip().splitlines()
    about = plain(lines[0].split(": ", 1)[1]) if lines else kind
    fields = []
    docs = []
    for name, type_, given, text in rows(section):
        name = name.strip("`")
        found = python_type(sections, type_)
        value = default(given)
        if value == "None":
            found = f"Optional[{found}]"
        fields.append((value is not None, f"    {name}: {found}" + (f" = {value}" if value is not None else "")))
        docs.append(textwrap.fill(f"{name}: {plain(text)}", 108, initial_indent="        ", subsequent_indent="            "))
    fields.sort(key=lambda field: field[0])
    doc = about[0].upper() + about[1:]
    body = f'    """{doc}' + ("\n\n    Attributes:\n" + "\n".join(docs) + "\n    " if docs else "") + '"""\n'
    body += f'\n    _kind = "{kind}"\n'
    body += "".join(f"{field}\n" for _, field in fields)
    return f"\n\n@dataclass(frozen=True)\nclass {class_name(kind)}({base}):\n{body}"


def make(page: str) -> str:
    parts = re.split(r"^##+ (.*)$", page, flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2]))
    out, names = HEAD, {base: [] for base in BASES.values()}
    for title, section in sections.items():
        group, _, kind = title.partition(": ")
        if group in BASES and f'kind = "{kind}"' in section:
            out += one(sections, BASES[group], kind, section)
            names[BASES[group]].append(class_name(kind))
    for base, found in names.items():
        listed = "".join(f"    {name},\n" for name in found)
        out += f"\nALL_{base.upper()}S: tuple[type[{base}], ...] = (\n{listed})\n"
    exported = "".join(f'    "{name}",\n' for found in names.values() for name in found)
    return out + f"\n__all__ = [\n{exported}]\n"


if __name__ == "__main__":
    OUT.write_text(make(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {OUT}")
