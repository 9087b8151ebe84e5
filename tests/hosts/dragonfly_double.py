"""A strict double of Dragonfly's Python: what HOSTS.md says of it, and nothing else.

A name that is not known of the host raises; a Cancel is heard only where Qt's events are pumped; dialogs
give what the test laid ready, or the test fails.
"""

# ruff: noqa: ARG001 - parameters are the host's, used or not

import sys
from collections import deque
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np

from tests.hosts import dragonfly_objects as objects


class HostModule(ModuleType):
    """A module of the host's; a name that is not known raises."""

    def __getattr__(self, name):
        raise AttributeError(f"{self.__name__} has no {name!r} that is known of the host")


class Host:
    """Dragonfly as a test sees it.

    `answers` are taken by the dialogs in turn; `cancel_after` is the number of pumped events after which the
    user presses Cancel; `used` gathers every method that was asked of the host's objects.
    """

    def __init__(self):
        self.objects, self.used = {}, set()
        self.answers, self.asked, self.messages = deque(), [], []
        self.progresses, self.captions, self.updates = [], [], []
        self.cancel_after, self.pumped, self.is_cancelled, self.is_full = None, 0, False, False
        for name in ("Channel", "ROI", "MultiROI", "FlatArray", "Progress"):
            setattr(self, name, type(name, (getattr(objects, name),), {"host": self}))

    def answer(self, dialog):
        """Give the next answer that the test laid ready."""
        self.asked.append(dialog)
        if not self.answers:
            raise AssertionError(f"the item asked where no answer was laid ready: {dialog}")
        return self.answers.popleft()

    def pump(self):
        """Let the host hear its user."""
        self.pumped += 1
        self.is_cancelled = self.cancel_after is not None and self.pumped >= self.cancel_after

    def state(self, thing):
        """Say whether an object is published, dirty, deleted."""
        return thing._state

    def published(self, kind):
        """List the published objects of a class, in the order that they were made."""
        return [one for one in self.objects.values() if isinstance(one, kind) and one._state.published]

    def left_over(self):
        """List what lies about: objects that are not published, handles, bars."""
        return [one for one in self.objects.values() if not one._state.published]

    def channel(self, frames, *, pixel_m=1e-10, title="movie"):
        """Make what a user has loaded: frames (T, Y, X) along Z."""
        made = objects.channel_from_array(self, np.ascontiguousarray(frames))
        return self._finish(made, pixel_m, title)

    def timed_channel(self, frames, *, pixel_m=1e-10, title="movie"):
        """Make a channel whose frames (T, Y, X) lie along T."""
        made = self.Channel()
        made.setXYZTSize(frames.shape[2], frames.shape[1], 1, frames.shape[0])
        made._data = np.array(frames)[:, None]
        return self._finish(made, pixel_m, title)

    def roi(self, masks, like, *, title="marked"):
        """Make a ROI of masks (T, Y, X) on a channel's grid."""
        return self._marked(self.ROI(), masks, like, title)

    def multiroi(self, labels, like, *, title="particles"):
        """Make a multi-ROI of labels (T, Y, X) on a channel's grid."""
        made = self._marked(self.MultiROI(), labels, like, title)
        made._count = int(labels.max())
        return made

    def _marked(self, made, values, like, title):
        made.copyShapeFromStructuredGrid(like)
        made._data[...] = np.asarray(values).reshape(made._data.shape)
        return self._finish(made, None, title)

    def _finish(self, made, pixel_m, title):
        if pixel_m is not None:
            made._spacing = [float(pixel_m), float(pixel_m), made._spacing[2]]
        made.setTitle(title)
        made.publish()
        return made

    def choose(self, item_class, *selected):
        """Right-click on a selection and choose an item: evaluate the very string that the host would.

        Returns whether the item was there.
        """
        plugin = SimpleNamespace(getVarName=lambda: "plugin_7")
        chosen = list(selected)
        if not item_class.getIsSelectionValid(chosen, plugin):
            return False
        menu = item_class.getMenuItemForSelection(chosen, plugin)
        eval(menu.action, {item_class.__name__: item_class, "plugin_7": plugin})
        return True


class _Menu:
    def __init__(self, title, id_, section, action):
        if not all(isinstance(part, str) for part in (title, id_, section, action)):
            raise TypeError("Menu: expected four str")
        self.title, self.id_, self.section, self.action = title, id_, section, action


class _ContextualMenuItem:
    pass


def _interface_method(function):
    """Take only what says the types of its parameters, as the host's macros need it."""
    if ":type" not in (function.__doc__ or ""):
        raise TypeError(f"{function.__name__}: an interface method's docstring types its parameters")
    return function


def _list_helper(host):
    def as_string(collection):
        return repr([one.getGUID() for one in collection])

    def from_string(collection, asPythonList=False):
        if not asPythonList:
            raise TypeError("fromPythonCollection: only asPythonList=True is known")
        return [host.objects[guid] for guid in collection]

    return _static("ListHelper", asPythonCollectionString=as_string, fromPythonCollection=from_string)


def _static(class_name, **members):
    functions = {name: staticmethod(one) if callable(one) else one for name, one in members.items()}
    return type(class_name, (), functions)


def _dialogs(host):
    def entry(parent, label, title, default):
        return host.answer(("entry", label, title, default))

    def choose(classes, parent=None, dialog_title="", allowNone=False, getNewTitle=False):
        if getNewTitle:
            raise TypeError("ChooseObjectAndNewName: what getNewTitle=True gives is not known")
        return host.answer(("choose", classes, dialog_title))

    def folder(parent, caption=""):
        return host.answer(("folder", caption))

    def message(parent, text, title, icon, buttons):
        if icon not in ("Critical", "Information", "Warning") or buttons != "Ok":
            raise TypeError(f"OrsTMessageBox: unknown icon or buttons, {icon}, {buttons}")
        host.messages.append((icon, text))

    icons = {name: name for name in ("Critical", "Information", "Warning", "Ok")}
    return {
        "SimpleEntryDialog": _static("SimpleEntryDialog", prompt=entry),
        "ChooseObjectAndNewName": _static("ChooseObjectAndNewName", prompt=choose),
        "QFileDialog": _static("QFileDialog", getExistingDirectory=folder),
        "OrsTMessageBox": _static("OrsTMessageBox", message=message, **icons),
    }


def make_modules(host, *, qt="PyQt6"):
    """Make the host's modules by name."""
    made = _dialogs(host)
    application = SimpleNamespace(processEvents=host.pump)
    model = {
        "Channel": host.Channel,
        "ROI": host.ROI,
        "MultiROI": host.MultiROI,
        "Progress": host.Progress,
        "orsObj": lambda guid: host.objects[guid],
        "createChannelFromNumpyArray": lambda array, **how: objects.channel_from_array(host, array, **how),
    }
    members = {
        "ORSModel": model,
        "ORSModel.ors": {name: model[name] for name in ("Channel", "ROI", "MultiROI", "Progress")},
        "ORSServiceClass.menuItems.contextualMenuItem": {"ContextualMenuItem": _ContextualMenuItem},
        "ORSServiceClass.actionAndMenu.menu": {"Menu": _Menu},
        "ORSServiceClass.decorators.infrastructure": {"interfaceMethod": _interface_method},
        "ORSServiceClass.ORSWidget.SimpleEntryDialog.simpleEntryDialog": {
            "SimpleEntryDialog": made["SimpleEntryDialog"]
        },
        "ORSServiceClass.ORSWidget.chooseObjectAndNewName.chooseObjectAndNewName": {
            "ChooseObjectAndNewName": made["ChooseObjectAndNewName"]
        },
        "ORSServiceClass.messagebox.orsMessageBox": {"OrsTMessageBox": made["OrsTMessageBox"]},
        "OrsHelpers.ListHelper": {"ListHelper": _list_helper(host)},
        "OrsHelpers.datasethelper": {
            "DatasetHelper": _static(
                "DatasetHelper",
                createMultiROIFromDataset=lambda *given, **named: objects.multiroi_from_dataset(
                    host, *given, **named
                ),
            )
        },
        "OrsLibraries.workingcontext": {
            "WorkingContext": _static("WorkingContext", getCurrentContextWindow=lambda: "window")
        },
        f"{qt}.QtWidgets": {
            "QApplication": _static("QApplication", instance=lambda: application),
            "QFileDialog": made["QFileDialog"],
        },
    }
    return _as_modules(members)


def _as_modules(members):
    modules = {}
    for path, names in members.items():
        parts = path.split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            modules.setdefault(name, HostModule(name))
            modules[name].__path__ = []
            if end > 1:
                setattr(modules[".".join(parts[: end - 1])], parts[end - 1], modules[name])
        for name, value in names.items():
            setattr(modules[path], name, value)
    return modules


@contextmanager
def pretended_host(*, qt="PyQt6"):
    """Put the double in the place of the host's modules, and take it away again."""
    host = Host()
    modules = make_modules(host, qt=qt)
    # Neither Qt of the tests' own Python is the host's.
    hidden = dict.fromkeys(("PyQt5", "PyQt6", "PyQt5.QtWidgets", "PyQt6.QtWidgets"))
    before = {name: sys.modules.get(name) for name in {**modules, **hidden}}
    sys.modules.update({**hidden, **modules})
    try:
        yield host
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
