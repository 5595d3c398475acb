"""Wrong conclusions, planted: a claim of the lecture must notice each.

Only the cells that the claim needs are run, with the fault in them.
"""

import ast
import re
from dataclasses import dataclass

import nbformat
import pytest
from forked import processes, run_forked

from course_utils.instructor.cell_names import read_cell, root
from course_utils.lectures import all_lectures

PATHS = {lecture.id: lecture.path for lecture in all_lectures()}
TRAINED = re.compile(r"\b(?:fit|train\w*)\((\w+)")


@dataclass(frozen=True)
class Planted:
    """A fault: in a lecture's code, ``old`` becomes ``new``; the claim that must not hold then."""

    name: str
    lecture: str
    old: str
    new: str
    claim: str


PLANTED = [
    Planted(
        "labels shuffled",
        "01",
        "found = data.train.labels[model",
        "found = data.train.labels.flip(0)[model",
        "with k = 1, all training images are right",
    ),
    Planted(
        "one arm is the other",
        "02",
        "shared[i, i : i + 3] = weights",
        "shared[i, i : i + 3] = local[i, i : i + 3]",
        "8, 3, 1 examples for a convolution; else 8, 3, over 9",
    ),
    Planted(
        "one arm untrained",
        "02",
        "batch_size=64, learning_rate=0.03, fast=False)",
        "batch_size=64, learning_rate=1e-9 if name == '20-10-5' else 0.03, fast=False)",
        "the three networks lie within 4 points of each other",
    ),
    Planted(
        "the arms do not differ",
        "03",
        "train_on(some_batches, rate, zero_grad)",
        "train_on(some_batches, rate, True)",
        "at its best rate, training without zero_grad ends at least 0.7 higher",
    ),
    Planted(
        "the fault is not there",
        "03",
        "train_on([one_batch] * 80, softmax=True)",
        "train_on([one_batch] * 80, softmax=False)",
        "with the softmax twice, at least 7 of the 64 stay wrong",
    ),
    Planted(
        "arms swapped",
        "03",
        'modern.train(mode == "train")',
        'modern.train(mode == "eval")',
        "train, sorted: at most 21 %",
    ),
    Planted(
        "activations ten times as large",
        "04",
        "return normalize(x)",
        "return normalize(10 * x) / 10",
        "trained at 0.06, LRN's divisors differ by less than 0.2 %",
    ),
    Planted(
        "the arms do not differ",
        "05",
        'initialize(network, linear="Kaiming")',
        'initialize(network, linear="0.01")',
        "in at least 8 of 10 runs, Kaiming: "
        "the last ten of 60 losses are at least 0.2 lower on average",
    ),
    Planted(
        "arms swapped",
        "06",
        '"Kaiming": nn.init.kaiming_normal_}\nfor n',
        '"Kaiming": small}\nfor n',
        "Kaiming: after 60 steps it is below 1.9",
    ),
    Planted(
        "labels shuffled",
        "06",
        "split.labels[chosen].to(device)\n    images = amp",
        "split.labels[chosen.flip(0)].to(device)\n    images = amp",
        "Kaiming: after 60 steps it is below 1.9",
    ),
    Planted(
        "arms swapped",
        "07",
        "torch.stack([prepare(photo) for photo in photos])",
        "torch.stack([prepare(photo) for photo in photos[::-1]])",
        "first answers: military uniform, palace, daisy",
    ),
    Planted(
        "the arms do not differ",
        "08",
        "std=gain / math.sqrt(n))",
        "std=1 / math.sqrt(n))",
        "1.5 × Kaiming: more than 1,000 times",
    ),
    Planted(
        "one arm is the other",
        "09",
        "undone = x * spread + centre",
        "undone = (x - low) / (high - low)",
        "un-normalised: no value is off by more than a millionth",
    ),
    Planted(
        "one arm is the other",
        "10",
        "pixels.std(dim=(2, 3), correction=0).mean(dim=0)",
        "pixels.std(dim=(0, 2, 3), correction=0)",
        "the mean of the images' std is smaller, in each channel",
    ),
    Planted(
        "the arms do not differ",
        "11",
        "layer.bn = layer.bn if batch_norm else nn.Identity()",
        "layer.bn = nn.Identity()",
        "only batch norm: more than 12 times",
    ),
    Planted(
        "nothing is covered",
        "12",
        "x[..., top:bottom, left:right] = 127",
        "x[..., top:top, left:right] = 127",
        "without the cap, «military uniform» falls below 10 %",
    ),
    Planted(
        "other weights",
        "13",
        "keras_one.bias.assign(bias)",
        "keras_one.bias.assign(bias + 0.1)",
        "first linear layer in Keras's order: the logits agree to one part in 100,000",
    ),
    Planted(
        "the positions stay",
        "14",
        "nn.init.zeros_(blind.encoder.pos_embedding)",
        "nn.init.ones_(blind.heads.head.bias)",
        "without position embeddings the logits change by less than 0.0001",
    ),
    Planted(
        "the arms do not differ",
        "15",
        'SHARES = {"tied": 0.95,',
        'SHARES = {"tied": 1 / 3,',
        "on its validation images the tied network is ahead by at least 5 points",
    ),
]


def needed(cells, target):
    """The places of the cells that the cell at ``target`` needs: by what they bind or change.

    A call such as ``plots.image_grid(...)`` changes no module.
    """
    modules = set().union(*(imported(cell) for cell in cells[: target + 1]))
    chosen, before = {0, 1, target}, None
    while chosen != before:
        before = set(chosen)
        wanted = outside(cells[target])
        for place in range(target - 1, -1, -1):
            code = read_cell(cells[place].source)
            changed = {name for part in code.statements for name in part.changed}
            changed -= code.own | modules
            trained = {match[1] for match in TRAINED.finditer(code.source)}
            if place in chosen or (code.bound | changed | trained) & wanted:
                chosen.add(place)
                wanted = (wanted - code.bound) | outside(cells[place])
        # A function may call one that is defined after it.
        used = set().union(*(outside(cells[place]) for place in chosen))
        chosen |= {
            place
            for place in range(target)
            if used & set(read_cell(cells[place].source).definitions)
        }
    return sorted(chosen)


def imported(cell):
    """The names that a cell imports."""
    nodes = (s.tree for s in read_cell(cell.source).statements)
    imports = (node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {name.asname or name.name for node in imports for name in node.names}


def outside(cell):
    """The names that a cell takes from others."""
    code = read_cell(cell.source)
    deleted = [s.tree.targets for s in code.statements if isinstance(s.tree, ast.Delete)]
    return code.used - code.bound | {root(target) for targets in deleted for target in targets}


def with_fault(fault):
    """The code cells of a lecture that a claim needs, with the fault in them."""
    notebook = nbformat.read(PATHS[fault.lecture], as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code" and not is_check(c)]
    faulty = [place for place, cell in enumerate(cells) if fault.old in cell.source]
    stating = [place for place, cell in enumerate(cells) if fault.claim in printed_by(cell)]
    assert len(faulty) == 1, f"{fault.old!r} stands in {len(faulty)} cells"
    assert len(stating) == 1, f"{len(stating)} cells claim {fault.claim!r}"
    kept = needed(cells, stating[0])
    assert faulty[0] in kept, "the claim does not need the cell with the fault"
    cells[faulty[0]].source = cells[faulty[0]].source.replace(fault.old, fault.new)
    return [cells[place].source for place in kept]


def is_check(cell):
    return cell.metadata.get("nbgrader", {}).get("grade", False)


def printed_by(cell):
    return "\n".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture(scope="module")
def context():
    return processes()


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: f"{fault.lecture} {fault.name}")
def test_a_wrong_conclusion_is_noticed(fault, context):
    lines = run_forked(with_fault(fault), PATHS[fault.lecture].parent, context).splitlines()
    assert any(line.startswith(f"✗ does not hold: {fault.claim}") for line in lines)
