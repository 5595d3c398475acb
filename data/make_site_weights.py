"""Make the weights that the site's pages run in the browser, and that no lecture needs.

    python data/make_site_weights.py lenet5  # lenet5_fashion.safetensors, about a minute
    python data/make_site_weights.py vit  # small_vit_photos.safetensors, some minutes

`lenet5` trains two LeNet-5 as lecture 03 does, on plain and on moved garments. `vit` trains the
small vision transformer of lecture 14 on garments on photographs. Both use the bundled sample.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_utils import evaluate, fit, inspection, load_data, seed_everything
from course_utils.data import ImageData, batches, pad_crop, standard_augmentation
from course_utils.models import LeNet5, small_vit

FOLDER = Path(__file__).parent
LENET5 = dict(epochs=12, batch_size=128, optimizer="adam", learning_rate=0.01)
VIT = dict(epochs=8, batch_size=64, optimizer="adam", learning_rate=0.003, weight_decay=0.05)
ARMS = {"plain": None, "moved": pad_crop}
SHIFTS = range(9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=["lenet5", "vit"])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write the file")
    arguments = parser.parse_args()
    {"lenet5": make_lenet5, "vit": make_vit}[arguments.which](arguments.folder)


def make_lenet5(folder: Path) -> None:
    """Two LeNet-5, and their accuracies on test images moved by 0 to 8 pixels in x and in y."""
    data = load_data("fashion_mnist", profile="quick")
    networks, accuracies = {}, {}
    for arm, augment in ARMS.items():
        networks[arm] = trained(LeNet5, data, LENET5, augment)
        predict = inspection.label_predictor(networks[arm], data, device="cpu")
        by_shift = inspection.accuracy_by_shift(predict, data.test, SHIFTS)
        accuracies[arm] = list(by_shift.values())
    facts = {"network": "LeNet5", "accuracy_by_shift": accuracies}
    recipe = f"{written(LENET5)}, one-cycle; moved: pad 4 and crop"
    save(networks, data, facts | {"recipe": recipe}, folder / "lenet5_fashion.safetensors")


def make_vit(folder: Path) -> None:
    """The small vision transformer, and its accuracy on the test images."""
    data = load_data("fashion_photos", profile="quick")
    network = trained(small_vit, data, VIT, standard_augmentation(2))
    accuracy = evaluate(network, batches(data, "test", device="cpu")).accuracy
    recipe = f"{written(VIT)}, one-cycle, pad 2 and crop, flip"
    facts = {"network": "small_vit", "accuracy": accuracy, "recipe": recipe}
    save(
        {"vit": network}, data, facts | {"recipe": recipe}, folder / "small_vit_photos.safetensors"
    )


def trained(make, data: ImageData, recipe: dict, augment) -> nn.Module:
    """Train one network; its weights are rounded to 16 bits, as they are stored."""
    seed_everything(0)
    network = make()
    print(fit(network, data, **recipe, augment=augment, device="cpu", fast=False))
    return network.half().float()


def written(recipe: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in recipe.items())


def save(networks: dict[str, nn.Module], data: ImageData, facts: dict, path: Path) -> None:
    """Write the weights, and in the file's header what they are."""
    facts = {
        "classes": data.class_names,
        "mean": data.mean,
        "std": data.std,
        "training_images": len(data.train),
        "test_images": len(data.test),
        "source": data.provenance,
        **facts,
    }
    state = {
        f"{arm}.{name}": value.to(torch.float16).contiguous()
        for arm, network in networks.items()
        for name, value in network.state_dict().items()
    }
    # One entry: several would be written in a random order, and the checksum would change.
    save_file(state, path, metadata={"facts": json.dumps(facts)})
    content = path.read_bytes()
    print(json.dumps(facts, indent=2))
    print(f"{path}: {len(content):,} bytes\nSHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
