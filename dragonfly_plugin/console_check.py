"""A script for Dragonfly's console: which version it is, and whether it has all that temflux uses of it.

`temflux menus check` prints it. It needs nothing of temflux, makes nothing and changes nothing.
"""

import sys
from collections.abc import Iterator
from importlib import import_module

# Module, name, and the methods of it that are used.
USED = (
    ("ORSModel", "orsObj", ""),
    (
        "ORSModel",
        "Channel",
        "getGUID getTitle setTitle publish setDataDirty deleteObject getXSize getYSize getZSize getTSize "
        "setXYZTSize getXSpacing getYSpacing setXSpacing setYSpacing setZSpacing copyShapeFromStructuredGrid "
        "initializeDataForUSHORT initializeDataForFLOAT getNDArray getAsROIWithinRange",
    ),
    (
        "ORSModel",
        "ROI",
        "getGUID getTitle setTitle publish setDataDirty deleteObject getXSize getYSize getZSize getTSize "
        "getXSpacing getYSpacing copyShapeFromStructuredGrid getAsNDArray",
    ),
    (
        "ORSModel",
        "MultiROI",
        "getGUID getTitle setTitle publish setDataDirty deleteObject getXSize getYSize getZSize getTSize "
        "getXSpacing getYSpacing getAsArray getLabelCount setLabelCount",
    ),
    (
        "ORSModel",
        "Progress",
        "startProgressWithCaption updateProgress getIsCancelled closeProgress deleteObject",
    ),
    ("ORSServiceClass.menuItems.contextualMenuItem", "ContextualMenuItem", ""),
    ("ORSServiceClass.actionAndMenu.menu", "Menu", ""),
    ("ORSServiceClass.decorators.infrastructure", "interfaceMethod", ""),
    ("ORSServiceClass.ORSWidget.SimpleEntryDialog.simpleEntryDialog", "SimpleEntryDialog", "prompt"),
    (
        "ORSServiceClass.ORSWidget.chooseObjectAndNewName.chooseObjectAndNewName",
        "ChooseObjectAndNewName",
        "prompt",
    ),
    ("ORSServiceClass.messagebox.orsMessageBox", "OrsTMessageBox", "message Critical Information Ok"),
    ("OrsHelpers.ListHelper", "ListHelper", "asPythonCollectionString fromPythonCollection"),
    ("OrsHelpers.datasethelper", "DatasetHelper", "createMultiROIFromDataset"),
    ("OrsLibraries.workingcontext", "WorkingContext", "getCurrentContextWindow"),
)
PACKAGES = ("numpy", "scipy", "skimage", "matplotlib", "numba", "PyQt6", "PyQt5")


def lines() -> Iterator[str]:
    """Say a line each: the program, its Python, its packages, then each name that temflux uses."""
    yield f"program    {sys.executable}"
    yield f"extensions {'; '.join(place for place in sys.path if 'Extensions' in place) or 'not on the path'}"
    yield f"python     {sys.version.split()[0]} on {sys.platform}"
    for package in PACKAGES:
        try:
            found = getattr(import_module(package), "__version__", "there")
        except Exception as error:
            found = f"absent ({type(error).__name__})"
        yield f"{package:<10} {found}"
    absent = 0
    for module, name, methods in USED:
        try:
            thing = getattr(import_module(module), name)
        except Exception as error:
            absent += 1
            yield f"ABSENT     {module}.{name} ({type(error).__name__})"
            continue
        lacking = [method for method in methods.split() if not hasattr(thing, method)]
        absent += len(lacking)
        for method in lacking:
            yield f"ABSENT     {module}.{name}.{method}"
        if not lacking:
            yield f"there      {module}.{name}, {len(methods.split())} members"
    yield "all that temflux uses is there" if not absent else f"{absent} names are absent; report these lines"


def report() -> None:
    """Write the lines to the console."""
    sys.stdout.write("\n".join(lines()) + "\n")
