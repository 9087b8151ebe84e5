"""`make bench`: every figure beside its peer, measured in the same run; names choose some of the benches."""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main(wanted: list[str]) -> None:
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    benches = [name for name in names if not name.startswith("_") and (not wanted or name in wanted)]
    rows, out = [], Path(__file__).parents[2] / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    for name in benches:
        module = importlib.import_module(f"tests.bench.{name}")
        if not hasattr(module, "bench"):
            continue
        # Written as they come, since some take minutes and may be stopped.
        for row in module.bench():
            rows.append({"bench": name, **row})
            out.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8")
            sys.stdout.write(f"{name}: " + ", ".join(f"{key} {text(row[key])}" for key in row) + "\n")
            sys.stdout.flush()
        show([row for row in rows if row["bench"] == name])
    sys.stdout.write(f"written to {out}\n")


def show(rows: list[dict]) -> None:
    table = Table("bench", "what", "asked", "measured", "peer", "unit", title=None)
    for row in rows:
        table.add_row(
            *(text(row.get(name)) for name in ("bench", "what", "asked", "measured", "peer", "unit"))
        )
    Console(width=160).print(table)


def text(value) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
