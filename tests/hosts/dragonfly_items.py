"""Installed menu items, loaded as Dragonfly loads them: a file of its own each, class named as the file."""

from importlib.util import module_from_spec, spec_from_file_location

NAMES = {
    "label": "TemfluxLabelByConnectivity",
    "spectrum": "TemfluxSpectrumAlongTime",
    "properties": "TemfluxRoiProperties",
    "peaks": "TemfluxTrackFourierPeaks",
    "events": "TemfluxShowEvents",
    "segment": "TemfluxSegmentWithModel",
    "page": "TemfluxTrackAndOpenPage",
}


def load_item(folder, key):
    """Load an item's class from Dragonfly's folder of extensions."""
    (path,) = (folder / "GenericMenuItems").glob(f"{NAMES[key]}_*.py")
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, path.stem)
