"""Make data/slim_vgg11_fashion6.safetensors: a slim VGG-11 trained on six classes of garments.

    python data/make_weights.py

It needs all 70,000 images of Fashion-MNIST (see README.md here) and takes some minutes on two CPU
cores. An interrupted run goes on where it was. The other four classes are left out on purpose:
lecture 07 fine-tunes on them.
"""

import argparse
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_utils import evaluate, fit, get_device, load_data, seed_everything
from course_utils.data import batches, standard_augmentation
from course_utils.models.pretrained import BUNDLED_FILE, SOURCE_CLASSES, save_weights
from course_utils.models.vgg import slim_vgg
from course_utils.runtime import cache_dir

RECIPE = dict(epochs=10, batch_size=128, optimizer="sgd", learning_rate=0.05, weight_decay=5e-4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / BUNDLED_FILE)
    arguments = parser.parse_args()
    device = get_device()
    data = load_data("fashion_photos", profile="full").only(SOURCE_CLASSES)
    seed_everything(0)
    model = slim_vgg(num_classes=len(SOURCE_CLASSES))
    history = fit(
        model,
        data,
        **RECIPE,
        augment=standard_augmentation(2),
        device=device,
        checkpoint=cache_dir() / "make_weights.pt",
        description="slim VGG-11, six classes",
    )
    result = evaluate(model, batches(data, "test", device=device))
    print(history, result, sep="\n")
    save(model, data, result.accuracy, arguments.output)


def save(model, data, accuracy: float, path: Path) -> None:
    """Write the weights, and in the file's header what they are."""
    save_weights(
        path,
        model,
        classes=data.class_names,
        mean=data.mean,
        std=data.std,
        accuracy=round(accuracy, 4),
        training_images=len(data.train),
        test_images=len(data.test),
        source=f"{data.provenance}, {len(data.class_names)} of its classes",
        recipe=", ".join(f"{name} {value}" for name, value in RECIPE.items())
        + ", one-cycle, pad 2 and crop, flip",
    )
    content = path.read_bytes()
    print(f"{path}: {len(content):,} bytes\nSHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
