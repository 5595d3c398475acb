"""The worked example in the text of an exercise is what its solution gives.

A wrong one is worse than none: a right answer looks wrong. Each entry computes words of the text.
"""

import re
from fractions import Fraction

import nbformat
import pytest
import torch
from every_answer import define
from torch import nn

from course_utils.lectures import all_lectures

F64 = torch.float64


def text_of(exercise_id):
    """Return the text of an exercise, each run of spaces as one."""
    path = next(x.path for x in all_lectures() if x.id == exercise_id.split(".")[0])
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
    parts = [part for c in cells for part in re.split(r"(?=^### Exercise )", c.source, flags=re.M)]
    begins = f"### Exercise {exercise_id} "
    return " ".join(next(part for part in parts if part.startswith(begins)).split())


def brief(tensor):
    """Return a tensor's list as the text writes it: [1., 2.5].

    Example:
        >>> brief(torch.tensor([1.0, 2.5]))
        '[1., 2.5]'
    """
    return re.sub(r"\.0(?=[,\]])", ".", str(tensor.tolist()))


def rounded(values):
    return str([[round(value, 4) for value in row] for row in values.tolist()])


def count(model):
    return sum(p.numel() for p in model.parameters())


def two_by_two():
    """The network of exercises 03.2 to 03.4: the identity, without a bias."""
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.eye(2))
        model.bias.zero_()
    return model


ONE_BATCH = (torch.eye(2), torch.tensor([0, 0]))
BATCHES = [ONE_BATCH, (torch.tensor([[1.0, 0.0]]), torch.tensor([1]))]


def distances(answer):
    queries, images = torch.tensor([[0.0, 0], [3, 4]]), torch.tensor([[0.0, 0], [3, 4], [6, 8]])
    yield f"give `{brief(answer(queries, images))}`"


def vote(answer):
    voted = answer(torch.tensor([[1.0, 2.0, 2.0]]), torch.tensor([3, 1, 0]), k=2)
    yield f"gives `{voted!r}`"


def cross_validation(answer):
    images = torch.tensor([[10], [20], [30], [40], [160], [170], [180], [190]], dtype=torch.uint8)
    found = answer(images, torch.tensor([0, 0, 1, 0, 1, 1, 0, 1]), [3, 1, 5], 4)
    yield f"give `{found}`"


def top_k(answer):
    given = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.5, 0.0]]), torch.tensor([2, 1])
    yield f"give {answer(*given, 1)} for k = 1 and {answer(*given, 2)} for k = 2"


def sizes(answer):
    yield f"size_after(5, 3) → {answer(5, 3)}"
    yield f"size_after(9, 3, stride=3, padding=1) → {answer(9, 3, stride=3, padding=1)}"
    yield f"size_after(3, 5) → {answer(3, 5)}"


def convolution(answer):
    found = answer(torch.ones(3, 5, 5), torch.ones(2, 3, 3, 3), torch.tensor([0.0, 1.0]))
    assert torch.equal(found, found[:, :1, :1].expand_as(found))
    first, second = found[:, 0, 0].int().tolist()
    yield f"shape {tuple(found.shape)}, all {first} in the first channel and {second} in the second"


def pooling(answer):
    found = answer(torch.arange(16.0).reshape(1, 4, 4), kernel_size=2, stride=2)
    yield f"→ {' '.join(repr(found).split())}"


def parameters(answer):
    layers = [("conv", 6, 5), ("pool", 2), ("linear", 10)]
    yield f"{layers[:1]}) → {answer((3, 32, 32), layers[:1])}".replace("'", '"')
    yield f"{layers}) → {answer((3, 32, 32), layers)}".replace("'", '"')


def field(answer):
    for layers in ([(3, 1), (3, 1)], [(3, 2), (3, 1)]):
        yield f"field_size({layers}) → {answer(layers)}"


def training_step(answer):
    model = two_by_two()
    loss, right = answer(model, *ONE_BATCH, torch.optim.SGD(model.parameters(), lr=1))
    yield f"`({loss:.4f}, {right})`, rounded"
    yield f"the weight becomes `{rounded(model.weight)}`"


def evaluation(answer):
    loss, accuracy = answer(two_by_two(), BATCHES)
    yield f"give `({loss:.4f}, {accuracy:.4f})`, rounded"


def mended_loop(answer):
    model = two_by_two()
    (loss,) = answer(model, BATCHES, torch.optim.SGD(model.parameters(), lr=1), 1)
    yield f"one epoch give `[{loss:.4f}]`"


def sizes_through(answer):
    yield f"`sizes_through(224, [(11, 4, 0)])` is `{answer(224, [(11, 4, 0)])}`"
    yield f"the result is `{answer(224, [(11, 4, 0)], round_up=True)}`"
    yield f"is `{answer(6, [(3, 2, 0), (5, 1, 1)])}`, as 5 does not fit"


def response_norm(answer):
    x = torch.tensor([1.0, 2, 2, 0, 3, 1], dtype=F64).reshape(1, 6, 1, 1)
    found = answer(x, size=3, alpha=3, beta=1, k=1).flatten().tolist()
    yield f"All: `[{', '.join(str(Fraction(value).limit_denominator(50)) for value in found)}]`"


def layers_of_list(answer):
    model = answer([4, "M", 8])
    yield f"five layers, {', '.join(type(layer).__name__ for layer in model)}, and {count(model)} "


def whole_vgg(answer):
    model = answer([4, "M", 8], pool_size=2, hidden=16)
    shape = tuple(model.state_dict()["classifier.0.weight"].shape)
    yield f"has {count(model):,} parameters; its `classifier.0.weight` has shape {shape}"


def batch_norm(answer):
    norm = answer(1).train()
    assert norm(torch.tensor([[[[1.0, 3.0]]]])).flatten().tolist() == pytest.approx([-1, 1], 1e-4)
    yield f"0.9 · 0 + 0.1 · 2 = {norm.running_mean.item():.1f}"
    yield f"0.9 · 1 + 0.1 · 2 = {norm.running_var.item():.1f}"


def warm_up(answer):
    at = [answer(step, steps=10, warm_up=2, peak=0.4) for step in range(11)]
    yield f"Step 0 has 0.4 · 1/2 = {at[0]:.1f}, step 1 has {at[1]:.1f}."
    assert at[2] == pytest.approx(0.4)
    yield f"half way from 2 to 10: {at[6]:.1f}. Step 10 has {at[10]:.0f}."


def mixed(answer):
    images = torch.tensor([10.0, 20.0]).reshape(2, 1, 1, 1)
    given = torch.tensor([0, 2]), torch.tensor([1, 0]), torch.tensor([0.75, 0.5]), 3
    pixels, labels = answer(images, *given)
    one, two = (str([f"{x:g}" for x in row]).replace("'", "") for row in labels.tolist())
    yield f"0.75 · 10 + 0.25 · 20 = {pixels.flatten()[0]:g}, with the label `{one}`"
    yield f"The second becomes {pixels.flatten()[1]:g}, with `{two}`"


def average(answer):
    average, model = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.ones_(average.weight)
    nn.init.constant_(model.weight, 3.0)
    for formula in ("0.9 · 1 + 0.1 · 3", "0.9 · 1.2 + 0.1 · 3"):
        answer(average, model, 0.9)
        yield f"{formula} = {average.weight.item():g}"


def nearest_mean(answer):
    features = torch.tensor([[0.0, 0], [2, 0], [9, 9]])
    found = answer(features, torch.tensor([3, 3, 8]), torch.tensor([[4.0, 4.0]]))
    yield f"7.07 from the second: class {found.item()}."


def pictures(answer):
    one = answer(torch.full((1, 3, 1, 1), -1.0), (0.5,) * 3, (0.25,) * 3)
    yield f"0.25 · (−1) + 0.5 = {float(one.flatten()[0]):g}"


def sure_mistakes(answer):
    probabilities = torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.2, 0.8]])
    two, one = ([*map(int, answer(probabilities, torch.tensor([1, 1, 0]), n))] for n in (2, 1))
    yield f"For `n=2` the result is `{two}`, for `n=1` it is `{one}`"


def calibration(answer):
    sure = torch.tensor([0.6, 0.6, 0.9, 0.7], dtype=F64)
    error = answer(torch.stack([sure, 1 - sure], dim=1), torch.tensor([0, 1, 0, 1]), 4)
    yield f"3/4 · 0.3 + 1/4 · 0.1 = {float(error):.2f}"


def statistics(answer):
    batches = [torch.tensor(pair, dtype=torch.uint8) for pair in ([0, 255], [255, 255])]
    mean, std = answer([batch.reshape(2, 1, 1, 1) for batch in batches])
    yield f"The mean is {float(mean[0]):.2f}."
    yield f"= {float(std[0]):.3f}$"


def paths(answer):
    yield f"The result is `{answer(4, 2, 1, 3, 1, 2, 1)}`"


def inverted_bottleneck(answer):
    yield f"The result is `{answer(2, 3, 3, 4, 5, 2)}`"


def scaling(answer):
    yield f"`compound_scaling(8, 2, 1, 1)` is `{tuple(round(x, 9) for x in answer(8, 2, 1, 1))}`"
    yield f"about {tuple(round(x, 2) for x in answer(4, 1.2, 1.1, 1.15))}"


def activation_map(answer):
    maps = torch.tensor([[[[1.0, 2.0]], [[0.0, 4.0]]]])
    found = answer(maps, torch.tensor([[3.0, -1.0]]), torch.tensor([0]))
    places = ", ".join(f"{x:g}" for x in found.flatten().tolist())
    yield f"= ({places}). Its mean, {found.mean():g},"


def patches(answer):
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    for number, patch in enumerate(answer(image, 2)[0, :3].int().tolist()):
        yield f"patch {number} is {patch}"


def attention(answer):
    output, weights = answer(torch.randn(3, 4), torch.ones(2, 4), torch.tensor([[1.0], [3.0]]))
    assert torch.equal(output, torch.full((3, 1), 2.0))
    yield f"the weights are {weights[0].tolist()} for every query"


def transformer_costs(answer):
    yield f"is `{answer(32, 4, 3, 64, 4, 128, 10)}`"


def gap(answer):
    labels, predicted = torch.zeros(3, dtype=torch.int64), torch.tensor([0, 1, 0])
    found = answer(predicted[:, None], torch.tensor([[0]]), labels, predicted)
    yield f"the gap is {found.item():g}."


def corruption(answer):
    image = torch.zeros(1, 1, 11, 11)
    image[..., 5, 5] = 1
    weights = answer(image, 0.5).sum(dim=2).flatten()[3:8].tolist()
    yield f"they are {', '.join(f'{weight:.4f}' for weight in weights)}."


def energies(answer):
    one, two = (answer(torch.zeros(1, 2), temperature).item() for temperature in (1, 2))
    yield f"-log 2 = {one:.3f}. With T = 2 it is -2 log 2 = {two:.3f}."


def distillation(answer):
    loss = answer(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), torch.tensor([0]), 2, 0.5)
    yield f"0.5 · 4 · 0.111 = {loss.item():.3f}."


def whole_numbers(answer):
    numbers, step = answer(torch.tensor([-1, 0, 0.502, 1.27]))
    yield f"the step is {step:.2f}, and the numbers are {numbers.tolist()}."


WORKED = {
    "01.1": distances,
    "01.2": vote,
    "01.3": cross_validation,
    "01.4": top_k,
    "02.1": sizes,
    "02.2": convolution,
    "02.3": pooling,
    "02.4": parameters,
    "02.5": field,
    "03.1": lambda answer: [f"the network has {count(answer(image_size=28)):,} parameters"],
    "03.2": training_step,
    "03.3": evaluation,
    "03.4": mended_loop,
    "04.1": sizes_through,
    "04.2": response_norm,
    "04.3": lambda answer: [f"gives {count(answer(10, unit=2)):,} parameters"],
    "05.1": layers_of_list,
    "05.2": whole_vgg,
    "05.3": lambda answer: [f"gives `{answer([64, 'M', 128, 'M'], image_size=4)}`"],
    "06.1": batch_norm,
    "06.2": warm_up,
    "06.3": lambda answer: [f"always `{brief(answer(torch.ones(4), 0.5, False))}`"],
    "06.5": mixed,
    "06.6": average,
    "07.4": nearest_mean,
    "09.2": pictures,
    "09.3": sure_mistakes,
    "09.4": calibration,
    "10.3": statistics,
    "11.2": paths,
    "12.3": inverted_bottleneck,
    "12.4": scaling,
    "12.5": activation_map,
    "14.1": patches,
    "14.2": attention,
    "14.5": transformer_costs,
    "15.1": gap,
    "15.2": corruption,
    "15.3": energies,
    "15.4": distillation,
    "15.5": whole_numbers,
}


@pytest.mark.parametrize("exercise_id", WORKED)
def test_the_worked_example_is_what_the_solution_gives(exercise_id):
    try:
        answer = define(exercise_id, solved=True)
    except ImportError as error:
        pytest.skip(str(error))
    text = text_of(exercise_id)
    for words in WORKED[exercise_id](answer):
        assert words in text


def test_a_wrong_number_would_be_noticed():
    words = next(iter(WORKED["05.3"](lambda *_, **__: (75648, 322561))))
    assert words not in text_of("05.3")
