"""The command that lists trained models: light, since it reads their cards alone."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from temflux.engine.learn.model_cards import ModelCard, describe_ranges
from temflux.engine.learn.model_files import list_models, load_model

from .exit_codes import GOOD
from .words import say

_FIGURES_LISTED = 6
_RANGES_LISTED = ("sampling", "dose", "defocus", "energy")


def models(name: str | None = None, /, *, as_json: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """List the models that come with temflux: what each is for, its figures, its limits.

    Parameters
    ----------
    name : str or None
        A model of the zoo, or a model's folder, whose whole card is shown.
    as_json : bool
        Print cards as JSON, for programs.

    Returns
    -------
    int
        0.
    """
    console = Console()
    if name is not None:
        card = load_model(name).card
        _say_json(card.as_json()) if as_json else console.print(_whole(card), highlight=False)
        return GOOD
    cards = list_models()
    if as_json:
        _say_json([card.as_json() for card in cards])
    elif not cards:
        line = "no models come with this copy; make one: temflux train, or make zoo NAME"
        say(console, line)
    else:
        console.print(_listed(cards), highlight=False)
        console.print("temflux models NAME shows a whole card", style="dim", highlight=False)
    return GOOD


def _listed(cards: list[ModelCard]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True)
    table.add_column("model", style="bold", no_wrap=True)
    table.add_column("what it is for, what it was trained on, figures and limits", overflow="fold")
    for card in cards:
        ranges = [line for line in describe_ranges(card) if line.startswith(_RANGES_LISTED)]
        facts = {
            "": card.task,
            "trained on ": ", ".join(ranges),
            "figures: ": ", ".join(_figures(card)[:_FIGURES_LISTED]),
            "limits: ": " ".join(card.limits),
        }
        told = "\n".join(f"[dim]{what}[/dim]{escape(fact)}" for what, fact in facts.items() if fact)
        table.add_row(card.name, told.replace("[dim][/dim]", ""))
    return table


def _whole(card: ModelCard) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    facts = {
        "model": f"{card.name}, version {card.version}",
        "what for": card.task,
        "label": f"{card.label} ({', '.join(card.channels)})" if card.channels else card.label,
        "standardised over": f"{card.normalize_A:g} Å",
        "trained on": "\n".join(describe_ranges(card)),
        "figures": "\n".join(_figures(card)),
        "limits": "\n".join(card.limits),
        "recipe": json.dumps(dict(card.recipe), ensure_ascii=False, indent=1) if card.recipe else "",
        "licence": card.licence,
        "attribution": card.attribution,
        "sha256": "\n".join(f"{file}  {digest}" for file, digest in card.sha256.items()),
    }
    for fact, text in facts.items():
        if text:
            table.add_row(fact, escape(text))
    return table


def _figures(card: ModelCard) -> list[str]:
    return [
        f"{_in_words(name)}: {figure if isinstance(figure, str) else format(figure, '.4g')}"
        for name, figure in card.figures.items()
    ]


def _in_words(name: str) -> str:
    for suffix, unit in (("_e_per_A2", " [e⁻/Å²]"), ("_A", " [Å]")):
        if name.endswith(suffix):
            return name.removesuffix(suffix).replace("_", " ") + unit
    return name.replace("_", " ")


def _say_json(record: Any) -> None:
    # Not through the console, which would break lines at the terminal's width.
    sys.stdout.write(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
