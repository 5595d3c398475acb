"""A small network learns from a large one."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ..withheld import asked_for


@asked_for("15.4")
def distillation_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, share: float
) -> Tensor:
    """Return the loss of a student that looks at the labels and at its teacher: a scalar, in nats.

    (1 - share) CE(student, labels) + share T² KL(teacher's softmax at T, student's softmax at T),
    each a mean over the images. Hinton, Vinyals and Dean, "Distilling the knowledge in a neural
    network", 2015. Used in lecture 15.

    Args:
        student: logits, float (N, K).
        teacher: logits, float (N, K); no gradient flows into them.
        labels: int64 (N,).
        temperature: T > 0. The larger, the more alike are the teacher's probabilities.
        share: of the teacher, from 0 to 1.

    Example:
        >>> import torch
        >>> same = torch.tensor([[2.0, 0.0]])
        >>> distillation_loss(same, same, torch.tensor([0]), temperature=4, share=1).item()
        0.0
    """
    soft = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher.detach() / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    hard = F.cross_entropy(student, labels)
    return (1 - share) * hard + share * temperature**2 * soft
