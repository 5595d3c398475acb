"""Make the three photographs in data/ from the JPEG files in matplotlib and scikit-learn.

    python data/make_photographs.py

JPEG decoders differ in the last bit from version to version, so the pixels are stored once, without
loss, at half the size. The course reads only the PNG files this writes.
"""

from pathlib import Path

import matplotlib
import sklearn
from PIL import Image

SOURCES = {
    "grace_hopper": Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg",
    "china": Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg",
    "flower": Path(sklearn.__file__).parent / "datasets" / "images" / "flower.jpg",
}


def main() -> None:
    for name, source in SOURCES.items():
        photograph = Image.open(source).convert("RGB")
        half = photograph.resize((photograph.width // 2, photograph.height // 2), Image.LANCZOS)
        target = Path(__file__).parent / f"photograph_{name}.png"
        half.save(target, optimize=True)
        print(f"{target.name}: {half.width} x {half.height}, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
