"""The command `temflux`: light until a command is chosen, so that help comes at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version

from cyclopts import App, CycloptsError, Parameter

from temflux.engine.base.errors import SettingsError, TemfluxError

from .exit_codes import BAD_ARGUMENTS, GOOD, INTERRUPTED, SOME_FAILED

# Name, module of batch, and what it does; a command's function bears its name.
_COMMANDS = (
    ("track", "commands", "Track every particle of a movie, or of every movie below a folder."),
    (
        "peaks",
        "following",
        "Follow the lattice reflections of tracked particles, and say which frames can be read.",
    ),
    ("columns", "locating", "Find atomic columns, fit them to the counts, and follow them: hops, strain."),
    (
        "events",
        "watching",
        "Find when tracked particles left their quiet course, at a stated rate of false alarms.",
    ),
    ("info", "commands", "Say what a movie's file holds: frames, calibration, times, dose, metadata."),
    ("demo", "commands", "Simulate a small movie, track it, and say where its page is."),
    ("parameters", "making", "Write a commented parameters file for images and movies."),
    ("images", "making", "Simulate micrographs with labels from the exit waves of systems."),
    ("train", "learning", "Train a network on simulated images, or (--from) a model on labelled frames."),
    (
        "predict",
        "predicting",
        "Run a trained network over a movie: maps, masks or atomic columns of every frame.",
    ),
    (
        "models",
        "catalogue",
        "List the models that come with temflux: what each is for, its figures, its limits.",
    ),
    ("score", "scoring", "Score a model on simulated images, beside nulls and a tuned classical method."),
    ("doselimit", "scoring", "Find the doses from which on a model of masks finds half and all."),
    ("movie", "making", "Simulate an in situ movie whose particles, events and columns are known."),
)
_STRUCTURES = {
    "supported": "Metal particles on a support.",
    "flake": "Flakes of an MX2 monolayer, bare or on graphene.",
    "oxide": "Oxide crystals with oxygen vacancies, for the occupancy of columns.",
    "file": "Flakes or slabs of the crystals in a structure file or folder.",
}
# Groups of commands of other shells, found by name alone: this one imports none of them.
_ADDED = "temflux.commands"
_ADDED_HELP = {"menus": "Menu items inside Dragonfly: install, remove, check."}
# What is true of a command that was stopped; of those not here, that the same command goes on.
_STOPPED = {
    "train": "stopped; finished epochs are kept, run the same command with --restart to go on",
    "score": "stopped; nothing is kept, run the same command to start again",
    "events": "stopped; nothing is kept, run the same command to start again",
    "info": "stopped",
    "models": "stopped",
    "parameters": "stopped",
    "menus": "stopped; nothing is kept, run the same command to start again",
}


def make_app() -> App:
    """Make the command line, with each command imported only when it is asked for."""
    app = App(
        name="temflux",
        help="In situ electron-microscopy movies into numbers: every nanoparticle's identity, area, "
        "lattice and events over time.",
        version=lambda: version("temflux"),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, module, what in _COMMANDS:
        app.command(f"temflux.batch.{module}:{name}", name=name, help=what)
    structures = App(
        name="structures",
        help="Simulate atomic systems and their exit waves.",
        # A pair of numbers has no empty form.
        default_parameter=Parameter(negative_iterable=()),
    )
    for name, what in _STRUCTURES.items():
        structures.command(f"temflux.batch.making:structures_{name}", name=name, help=what)
    app.command(structures)
    for added in entry_points(group=_ADDED):
        app.command(added.value, name=added.name, help=_ADDED_HELP.get(added.name, added.value))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str or None
        What was typed after `temflux`; the process's own where None.

    Returns
    -------
    int
        0 all good, 1 some movies failed, 2 bad arguments, 130 stopped by the user.
    """
    try:
        result = make_app()(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _refuse(_one_line(error), BAD_ARGUMENTS)
    except SettingsError as error:
        return _refuse(str(error), BAD_ARGUMENTS)
    except TemfluxError as error:
        return _refuse(str(error), SOME_FAILED)
    except KeyboardInterrupt:
        return _refuse(_say_stopped(sys.argv[1:] if arguments is None else arguments), INTERRUPTED)
    return result if isinstance(result, int) else GOOD


def _one_line(error: CycloptsError) -> str:
    cause = error.__cause__
    if type(cause).__name__ == "ValidationError":
        from pydantic import ValidationError

        from temflux.engine.workflows.checked_settings import explain

        if isinstance(cause, ValidationError):
            return explain(cause)
    return " ".join(str(error).split())


def _say_stopped(arguments: Sequence[str]) -> str:
    """Say how the command that was stopped goes on."""
    goes_on = "stopped; what was done is kept, run the same command to go on"
    return _STOPPED.get(arguments[0], goes_on) if arguments else "stopped"


def _refuse(line: str, code: int) -> int:
    sys.stderr.write(f"temflux: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
