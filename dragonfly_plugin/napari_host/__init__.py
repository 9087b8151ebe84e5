"""The adapter for napari: its layers in, its layers and docks out; nothing is computed here."""
