"""Reads a checkpoint that torch.save wrote as a zip file, running none of the code that its pickle may
name: containers, numbers and tensors come out as they are, objects of configuration libraries as inert
records, and any other name ends the reading. Only the standard library is needed."""

import array
import collections
import math
import pickle
import sys
import zipfile

PICKLE_BYTES_MOST = 256 << 20
TENSOR_BYTES_MOST = 8 << 30
# Storage class -> code of its elements in `array`; None: known, but never converted.
STORAGES = {"FloatStorage": "f", "DoubleStorage": "d", "HalfStorage": None, "BFloat16Storage": None,
            "LongStorage": None, "IntStorage": None, "ShortStorage": None, "CharStorage": None,
            "ByteStorage": None, "BoolStorage": None, "UntypedStorage": None}
RECORDS = ("omegaconf", "typing")
PLAIN_TYPES = ("dict", "list", "tuple", "set", "frozenset", "int", "float", "bool", "str", "bytes",
               "complex", "object", "NoneType")


class CheckpointError(Exception):
    """The file is not what it should be; the message says why."""


class Record:
    """An object of a class that is not imported: what it was made of, and its state."""

    def __new__(cls, *arguments, **named):
        record = super().__new__(cls)
        record.arguments, record.state = arguments, {}
        return record

    def __init__(self, *arguments, **named):
        pass

    def __setstate__(self, state):
        self.state = state


Tensor = collections.namedtuple("Tensor", "storage offset shape strides")
Storage = collections.namedtuple("Storage", "kind key numbers")


def rebuild_tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, Storage):
        raise CheckpointError("a tensor without a storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def first_of(value, *_):
    return value


def latin_bytes(text, encoding="latin1"):
    if not isinstance(text, str) or encoding != "latin1":
        raise CheckpointError("bytes in an unknown encoding")
    return text.encode("latin1")


ALLOWED = {
    ("_codecs", "encode"): latin_bytes,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "defaultdict"): lambda *_: {},
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): first_of,
}


class Unpickler(pickle.Unpickler):
    """Names resolve to our own functions and records; nothing is imported."""

    def find_class(self, module, name):
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if module == "torch" and name in STORAGES:
            return name
        known = (module.split(".")[0] in RECORDS or (module, name) == ("torch", "device")
                 or (module in ("builtins", "__builtin__") and name in PLAIN_TYPES)
                 or (module, name) == ("dill._dill", "_load_type"))
        if not known:
            raise CheckpointError(f"the pickle names {module}.{name}, which is not allowed")
        return type(name, (Record,), {"__module__": module})

    def persistent_load(self, saved):
        if not isinstance(saved, tuple) or len(saved) != 5 or saved[0] != "storage":
            raise CheckpointError("the pickle refers to something that is no tensor storage")
        _, kind, key, _, numbers = saved
        if kind not in STORAGES or not isinstance(key, str) or not isinstance(numbers, int):
            raise CheckpointError("a tensor storage of an unknown kind")
        return Storage(kind, key, numbers)


class Checkpoint:
    """An open file: `payload` as it was saved, with Tensor in place of tensors."""

    def __init__(self, path):
        try:
            self.zip = zipfile.ZipFile(path)
            self.root = self.find_root()
            with self.open("data.pkl", PICKLE_BYTES_MOST) as file:
                self.payload = Unpickler(file).load()
        except (CheckpointError, OSError):
            raise
        except zipfile.BadZipFile as error:
            raise CheckpointError(f"{error}; files older than torch 1.6 must be saved again") from error
        except Exception as error:  # whatever a broken pickle makes the unpickler do
            raise CheckpointError(f"data.pkl cannot be read: {error}") from error
        if self.root + "byteorder" in self.zip.namelist():
            with self.open("byteorder", 16) as file:
                if file.read() != b"little":
                    raise CheckpointError("the numbers are not little-endian")

    def find_root(self):
        roots = [name[: -len("data.pkl")] for name in self.zip.namelist()
                 if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise CheckpointError("no checkpoint of torch: data.pkl is missing")
        return roots[0]

    def open(self, name, most):
        try:
            entry = self.zip.getinfo(self.root + name)
        except KeyError as error:
            raise CheckpointError(f"{name} is missing") from error
        if entry.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(f"{name} is compressed, as torch never does")
        if entry.file_size > most:
            raise CheckpointError(f"{name} has {entry.file_size} bytes, the limit is {most}")
        return self.zip.open(entry)

    def numbers(self, name, tensor):
        """array of f32, row-major; finite."""
        code = STORAGES[tensor.storage.kind]
        if code is None:
            raise CheckpointError(f"{name}: {tensor.storage.kind} is not supported, only f32 and f64")
        whole = all(isinstance(value, int) and value >= 0
                    for value in (tensor.offset, *tensor.shape, *tensor.strides))
        if not whole or len(tensor.shape) != len(tensor.strides):
            raise CheckpointError(f"{name}: shape {tensor.shape} with strides {tensor.strides}")
        stored = self.stored(name, tensor.storage, code)
        count = math.prod(tensor.shape)
        reach = tensor.offset + sum(stride * (extent - 1)
                                    for extent, stride in zip(tensor.shape, tensor.strides))
        if (count and reach >= len(stored)) or count > len(stored):
            raise CheckpointError(f"{name}: shape {tensor.shape} reaches beyond its storage")
        out = stored[tensor.offset : tensor.offset + count]
        if tensor.strides != row_major(tensor.shape):
            out = gathered(stored, tensor)
        out = out if code == "f" else array.array("f", out)
        if not all(map(math.isfinite, out)):
            raise CheckpointError(f"{name}: holds a number that is not finite")
        return out

    def stored(self, name, storage, code):
        with self.open(f"data/{storage.key}", TENSOR_BYTES_MOST) as file:
            stored = array.array(code)
            data = file.read()
            if len(data) != storage.numbers * stored.itemsize:
                raise CheckpointError(f"{name}: its storage has {len(data)} bytes for "
                                      f"{storage.numbers} numbers")
            stored.frombytes(data)
        if sys.byteorder == "big":
            stored.byteswap()
        return stored


def row_major(shape):
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def gathered(stored, tensor):
    places = [tensor.offset]
    for extent, stride in zip(tensor.shape, tensor.strides):
        places = [place + stride * index for place in places for index in range(extent)]
    return array.array(stored.typecode, (stored[place] for place in places))
