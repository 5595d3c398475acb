"""Make data/fashion_mnist_sample.npz from the four official Fashion-MNIST files.

    python data/make_fashion_sample.py FOLDER

FOLDER holds train-images-idx3-ubyte.gz and its three companions, as downloaded from Zalando or as
installed by Debian's package dataset-fashion-mnist. Every file's MD5 is compared with the published
one before anything is read from it.
"""

import argparse
import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_utils.data.fashion import FILES, SAMPLE_FILE, read_idx
from course_utils.data.splits import stratified_indices

SAMPLE_SIZES = {"train": 10_000, "test": 2_000}
# When Zalando compressed the files (seconds since 1970, UTC): part of the official gzip headers.
OFFICIAL_TIMES = {"train": 1504176606, "t10k": 1504176627}


def with_official_header(name: str, packed: bytes) -> bytes:
    """Undo Debian's change: it leaves name and time out of the gzip header, nothing else differs.

    `packed` is a gzip file whose header has no optional field; the result has the official header,
    so that its MD5 can be compared with the published one.
    """
    if packed[3] != 0:  # the header has optional fields already: this is not Debian's variant
        return packed
    time = OFFICIAL_TIMES[name.split("-")[0]].to_bytes(4, "little")
    has_name = b"\x08"
    return packed[:3] + has_name + time + packed[8:10] + name.encode() + b"\0" + packed[10:]


def verified_content(folder: Path, name: str) -> bytes:
    """Return one official file's uncompressed bytes; stop if its MD5 is not the published one."""
    path = folder / f"{name}.gz"
    if not path.is_file():
        sys.exit(f"{path} is missing: give the folder that holds the four official .gz files")
    packed = path.read_bytes()
    found = hashlib.md5(with_official_header(name, packed)).hexdigest()
    if found != FILES[name].md5:
        sys.exit(f"{path} has MD5 {found}, not the published {FILES[name].md5}: fetch it again")
    return gzip.decompress(packed)


def make_sample(folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the sample, for train and test.

    Images are uint8 (N, 28, 28), labels uint8 (N,), and the positions of both in the official files
    int32.
    """
    arrays = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = read_idx(verified_content(folder, f"{prefix}-images-idx3-ubyte"))
        labels = read_idx(verified_content(folder, f"{prefix}-labels-idx1-ubyte"))
        positions = np.sort(stratified_indices(labels, SAMPLE_SIZES[split], seed=0))
        arrays[f"{split}_images"] = images[positions]
        arrays[f"{split}_labels"] = labels[positions]
        arrays[f"{split}_positions"] = positions.astype(np.int32)
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the four official .gz files")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / SAMPLE_FILE)
    arguments = parser.parse_args()
    np.savez_compressed(arguments.output, **make_sample(arguments.folder))
    packed = arguments.output.read_bytes()
    print(f"{arguments.output}: {len(packed):,} bytes")
    print(f"SHA-256 {hashlib.sha256(packed).hexdigest()}")


if __name__ == "__main__":
    main()
