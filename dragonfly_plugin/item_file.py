"""The single-file menu items that Dragonfly loads when it starts: one template, one file an item."""

from __future__ import annotations

from string import Template

# Fixed for ever: a file of the same name is replaced by the next version, and macros go on to find it.
IDENTIFIERS = {
    "label": ("TemfluxLabelByConnectivity", "6f3d1ea2c67011f08de90242ac120002"),
    "spectrum": ("TemfluxSpectrumAlongTime", "6f3d21cec67011f08de90242ac120002"),
    "properties": ("TemfluxRoiProperties", "6f3d235ec67011f08de90242ac120002"),
    "peaks": ("TemfluxTrackFourierPeaks", "6f3d24bcc67011f08de90242ac120002"),
    "events": ("TemfluxShowEvents", "6f3d2610c67011f08de90242ac120002"),
    "segment": ("TemfluxSegmentWithModel", "6f3d275ac67011f08de90242ac120002"),
    "page": ("TemfluxTrackAndOpenPage", "6f3d2c3cc67011f08de90242ac120002"),
}

_TEMPLATE = Template('''\
"""
$title: a menu item of temflux. Written by `temflux menus install dragonfly`; edit nothing here.

:author: The temflux developers
:contact:
:email:
:organization:
:address:
:copyright: The temflux developers
:date: $date
:dragonflyVersion: $dragonfly
:UUID: $uuid
"""

__version__ = '$version'

import sys
from importlib import import_module
from pathlib import Path

from ORSModel import orsObj
from ORSServiceClass.actionAndMenu.menu import Menu
from ORSServiceClass.decorators.infrastructure import interfaceMethod
from ORSServiceClass.menuItems.contextualMenuItem import ContextualMenuItem
from OrsHelpers.ListHelper import ListHelper

# Where the rest of temflux lies: beside this file's folder.
HOME = Path(globals().get('__file__', $here)).resolve().parents[1] / 'temflux'


def adapter():
    """Import what does the work, from the private copy."""
    place = str(HOME / 'python')
    if place not in sys.path:
        sys.path.insert(0, place)
    return import_module('temflux.dragonfly_plugin.dragonfly_host.items')


class $name(ContextualMenuItem):

    @classmethod
    def getIsSelectionValid(cls, aCollectionOfObjects, implementation):
        if aCollectionOfObjects is None or len(aCollectionOfObjects) < 1:
            return False
        return adapter().is_offered('$key', list(aCollectionOfObjects))

    @classmethod
    def getMenuItemForSelection(cls, aCollectionOfObjects, implementation):
        text = ListHelper.asPythonCollectionString(aCollectionOfObjects)
        return Menu(
            title='$title',
            id_='$name',
            section='',
            action=f'$name.menuItemEntryPoint({text}, {implementation.getVarName()})',
        )

    @classmethod
    def menuItemEntryPoint(cls, collectionString, implementation):
        objects = ListHelper.fromPythonCollection(collectionString, asPythonList=True)
        cls.execute(' '.join(one.getGUID() for one in objects))

    @classmethod
    @interfaceMethod
    def execute(cls, guids):
        """
        $title

        :param guids: identifiers of the selected objects, between blanks
        :type guids: str
        """
        adapter().run_item('$key', [orsObj(guid) for guid in guids.split()], HOME)
''')


def item_class(key: str) -> str:
    """Name an item's class and file, with its 32 hex digits.

    Parameters
    ----------
    key : str
        The item.

    Returns
    -------
    str
        Without the file's suffix.
    """
    name, uuid = IDENTIFIERS[key]
    return f"{name}_{uuid}"


def item_text(key: str, title: str, *, path: str, version: str, date: str, dragonfly: str) -> str:
    """Write an item's file.

    Parameters
    ----------
    key, title : str
        The item, and its name in the menu.
    path : str
        Where the file will lie, for a host that does not tell a file its own place.
    version : str
        Version of temflux.
    date : str
        Day and time of writing.
    dragonfly : str
        Dragonfly's version; empty where it is not known.

    Returns
    -------
    str
        Python.
    """
    return _TEMPLATE.substitute(
        key=key,
        title=title,
        name=item_class(key),
        uuid=IDENTIFIERS[key][1],
        here=repr(path),
        version=version,
        date=date,
        dragonfly=dragonfly,
    )
