"""The objects of the strict double of Dragonfly: channels, ROIs, multi-ROIs, as far as they are known."""

# ruff: noqa: ARG001, ARG002 - parameters are the host's, used or not

import uuid
from types import SimpleNamespace

import numpy as np

# Memory that nobody has written yet, or that the host has taken back, is not zero.
GARBAGE = 211
CHANNEL_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32")


class HostObject:
    """Anything of the host's: a name that is not known raises, and so does the use of a deleted object."""

    host = None

    def __getattribute__(self, name):
        if not name.startswith("_") and name != "host":
            own = object.__getattribute__(self, "__class__").__name__
            object.__getattribute__(self, "host").used.add(f"{own}.{name}")
            if object.__getattribute__(self, "_state").deleted:
                raise RuntimeError(f"{own}.{name}: the object was deleted")
        return object.__getattribute__(self, name)

    def __getattr__(self, name):
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r} that is known of the host")

    def __setattr__(self, name, value):
        if not name.startswith("_"):
            raise AttributeError(f"{type(self).__name__}.{name} cannot be set in the host")
        object.__setattr__(self, name, value)

    def __init__(self):
        self._state = SimpleNamespace(published=False, dirty=False, deleted=False)
        self._guid = f"{uuid.uuid4().hex}{type(self).__name__}"
        self._title = ""
        self.host.objects[self._guid] = self

    def getGUID(self):
        return self._guid

    def getTitle(self):
        return self._title

    def setTitle(self, title):
        if not isinstance(title, str):
            raise TypeError(f"setTitle: expected str, got {type(title).__name__}")
        self._title = title

    def publish(self, logging=False):
        self._state.published = True

    def setDataDirty(self, logging=False):
        self._state.dirty = True

    def deleteObject(self):
        self._release()
        self._state.deleted = True
        del self.host.objects[self._guid]

    def _release(self):
        """Take back what the object holds."""


class StructuredGrid(HostObject):
    """A grid of X by Y by Z voxels at T times, with its spacing in metres."""

    def __init__(self):
        super().__init__()
        self._xyzt = (0, 0, 0, 0)
        self._spacing = [1.0, 1.0, 1.0]
        self._data = None

    def _release(self):
        if self._data is not None:
            self._data[...] = GARBAGE if self._data.dtype != bool else True

    def _need_data(self):
        if self._data is None:
            raise RuntimeError(f"{type(self).__name__}: its data was never initialized")
        return self._data

    def getXSize(self):
        return self._xyzt[0]

    def getYSize(self):
        return self._xyzt[1]

    def getZSize(self):
        return self._xyzt[2]

    def getTSize(self):
        return self._xyzt[3]

    def setXYZTSize(self, x, y, z, t):
        if any(type(size) is not int or size < 1 for size in (x, y, z, t)):
            raise TypeError(f"setXYZTSize: expected four int above 0, got {(x, y, z, t)}")
        self._resize((x, y, z, t))

    def _resize(self, xyzt):
        self._xyzt = xyzt
        self._data = self._new_data()

    def _copy_shape(self, other):
        self._resize(other._xyzt)
        self._spacing = list(other._spacing)

    def _new_data(self):
        return None

    def getXSpacing(self):
        return self._spacing[0]

    def getYSpacing(self):
        return self._spacing[1]

    def getZSpacing(self):
        return self._spacing[2]

    def setXSpacing(self, metres):
        self._set_spacing(0, metres)

    def setYSpacing(self, metres):
        self._set_spacing(1, metres)

    def setZSpacing(self, metres):
        self._set_spacing(2, metres)

    def _set_spacing(self, axis, metres):
        if type(metres) is not float or not metres > 0:
            raise TypeError(f"a spacing is a float of metres above 0, got {metres!r}")
        self._spacing[axis] = metres

    def copyShapeFromStructuredGrid(self, other):
        self._copy_shape(other)

    def getHasSameShape(self, other):
        return self._xyzt == other._xyzt and np.allclose(self._spacing, other._spacing)

    def _tzyx(self):
        return self._xyzt[::-1]


class Channel(StructuredGrid):
    """Grey values: the array of a time step is a writable view of the host's memory."""

    def initializeDataForUSHORT(self):
        return self._initialize(np.uint16)

    def initializeDataForFLOAT(self):
        return self._initialize(np.float32)

    def _initialize(self, dtype):
        if 0 in self._xyzt:
            return False
        self._data = np.full(self._tzyx(), GARBAGE, dtype)
        return not self.host.is_full

    def getNDArray(self, tIndex=0):
        return self._need_data()[tIndex]

    def getAsROIWithinRange(self, low, high, progress, roi):
        data = self._need_data()
        if roi is None:
            roi = self.host.ROI()
            roi._copy_shape(self)
        if roi._xyzt != self._xyzt:
            raise RuntimeError("getAsROIWithinRange: the ROI has another shape")
        roi._data[...] = (data >= low) & (data <= high)
        return roi


class ROI(StructuredGrid):
    """Marked voxels."""

    def _new_data(self):
        return np.zeros(self._tzyx(), bool)

    def getAsNDArray(self, tIndex=0):
        marked = self._need_data()[tIndex]
        return marked.astype(np.uint8) if marked.any() else np.zeros((0,), np.uint8)

    def getVoxelCount(self, tIndex):
        return int(self._need_data()[tIndex].sum())


class FlatArray(HostObject):
    """A handle of the host's memory, which keeps it until it is deleted."""

    def __init__(self, values):
        super().__init__()
        self._values = values

    def getAsNDArray(self):
        return self._values

    def _release(self):
        self._values[...] = GARBAGE


class MultiROI(StructuredGrid):
    """Labels from 1; 0 is none."""

    def __init__(self):
        super().__init__()
        self._names = {}
        self._count = 0

    def _new_data(self):
        return np.zeros(self._tzyx(), np.uint16)

    def getAsArray(self, tIndex, progress):
        return self.host.FlatArray(self._need_data()[tIndex].reshape(-1).copy())

    def getLabelCount(self):
        return self._count

    def setLabelCount(self, count):
        self._data[self._data > count] = 0
        self._count = count

    def getLabelName(self, label):
        return self._names.get(self._known(label), f"Class {label}")

    def setLabelName(self, label, name):
        self._names[self._known(label)] = name

    def _known(self, label):
        if type(label) is not int or not 1 <= label <= self._count:
            raise IndexError(f"labels are 1 to {self._count}, got {label!r}")
        return label

    def addToVolumeROI(self, roi, label):
        """Copy a label INTO the ROI."""
        if roi._xyzt != self._xyzt:
            raise RuntimeError("addToVolumeROI: the ROI has another shape")
        roi._data |= self._data == self._known(label)


class Progress(HostObject):
    """A bar with a button; who starts one closes and deletes it."""

    def __init__(self):
        super().__init__()
        self._steps = None
        self._closed = False
        self.host.progresses.append(self)

    def startProgressWithCaption(self, caption, steps, cancellable):
        if not isinstance(caption, str) or type(steps) is not int or type(cancellable) is not bool:
            raise TypeError("startProgressWithCaption: expected str, int, bool")
        self._steps = steps
        self.host.captions.append(caption)

    def updateProgress(self, step):
        if self._steps is None or self._closed:
            raise RuntimeError("updateProgress: the progress is not open")
        if type(step) is not int or not 0 <= step <= self._steps:
            raise ValueError(f"updateProgress: expected 0 to {self._steps}, got {step!r}")
        self.host.updates.append(step)

    def getIsCancelled(self):
        return self.host.is_cancelled

    def closeProgress(self):
        self._closed = True


def channel_from_array(host, array, channelGUID=None, ZAxis=True):
    """Make a channel of one time step of an array (Z, Y, X), of the types that the host takes."""
    if str(array.dtype) not in CHANNEL_TYPES:
        raise TypeError(f"createChannelFromNumpyArray: expected one of {CHANNEL_TYPES}, got {array.dtype}")
    if array.ndim != 3:
        raise TypeError(f"createChannelFromNumpyArray: expected 3 axes, got {array.ndim}")
    channel = host.Channel() if channelGUID is None else host.objects[channelGUID]
    spacing = list(channel._spacing)
    channel.setXYZTSize(*(int(size) for size in array.shape[::-1]), 1)
    channel._spacing = spacing
    channel._data = array[None].copy()
    return channel


def multiroi_from_dataset(host, dataset, multiROI, IProgress=None):
    """Make each grey value of a channel of whole numbers the label of that value."""
    data = dataset._need_data()
    if data.dtype.kind not in "iu":
        raise TypeError(f"createMultiROIFromDataset: expected whole numbers, got {data.dtype}")
    made = host.MultiROI() if multiROI is None else multiROI
    made._copy_shape(dataset)
    made._data[...] = data
    made._count = int(data.max(initial=0))
    return made
