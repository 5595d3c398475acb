"""The loss of a student, beside a sum written out."""

import pytest
import torch
from torch.nn import functional as F

from course_utils.training.distillation import distillation_loss

torch.manual_seed(0)
STUDENT, TEACHER = torch.randn(5, 4), 3 * torch.randn(5, 4)
LABELS = torch.tensor([0, 1, 2, 3, 0])


def test_it_is_the_sum_of_hinton_and_others():
    p, q = (TEACHER / 3).softmax(1), (STUDENT / 3).softmax(1)
    soft = (p * (p / q).log()).sum() / 5
    want = 0.2 * F.cross_entropy(STUDENT, LABELS) + 0.8 * 9 * soft
    assert torch.allclose(distillation_loss(STUDENT, TEACHER, LABELS, 3.0, 0.8), want)


def test_without_a_share_it_is_cross_entropy():
    loss = distillation_loss(STUDENT, TEACHER, LABELS, 3.0, 0.0)
    assert torch.allclose(loss, F.cross_entropy(STUDENT, LABELS))


def test_no_gradient_flows_into_the_teacher():
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    distillation_loss(student, teacher, LABELS, 2.0, 0.5).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_the_square_keeps_the_size_of_the_gradient():
    """At high temperatures the gradient goes to (student - teacher) / K, centred: T has left it."""
    gradients = []
    for temperature in (50.0, 100.0):
        student = STUDENT.clone().requires_grad_()
        distillation_loss(student, TEACHER, LABELS, temperature, 1.0).backward()
        gradients.append(student.grad.norm().item())
    assert gradients[0] == pytest.approx(gradients[1], rel=0.05)
