"""Optimisers by the names that settings give them."""

from typing import Any

import torch
from torch import nn

from carrousel.train.train_settings import TrainSettings


def optimiser_of(settings: TrainSettings, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over the model's parameters that are trained.

    `nt-asgd` is `sgd` here; the mean of the weights is `averaging.StalledAverage`. `adam` adds weight decay to the gradient,
    `adamw` takes it off the weights. With beta1 0, `adam` is what Melis, Dyer and Blunsom (ICLR 2018) call RMSProp.

    Sources: Kingma and Ba, ICLR 2015, arXiv:1412.6980 (adam). Loshchilov and Hutter, ICLR 2019, arXiv:1711.05101 (adamw).
    Sutskever, Martens, Dahl and Hinton, ICML 2013 (nesterov). Tieleman and Hinton, lecture 6.5, Coursera 2012 (rmsprop).
    """
    groups, rate = weight_groups(model, settings.weight_decay), settings.learning_rate
    match settings.optimiser:
        case "adam" | "adamw":
            kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
            betas = (settings.beta1, settings.beta2)
            return kind(groups, lr=rate, betas=betas, eps=settings.epsilon, weight_decay=0.0, fused=True)
        case "sgd" | "nt-asgd":
            return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, nesterov=settings.nesterov)
        case "rmsprop":
            beta, epsilon = settings.beta2, settings.epsilon
            return torch.optim.RMSprop(groups, lr=rate, alpha=beta, eps=epsilon, momentum=settings.momentum)


def weight_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters in groups: with two axes or more (matrices, embeddings) they decay, with fewer (biases, scales) they do not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not weight_decay:
        return [{"params": trained}]
    groups = [([p for p in trained if p.dim() >= 2], weight_decay), ([p for p in trained if p.dim() < 2], 0.0)]
    return [{"params": parameters, "weight_decay": decay} for parameters, decay in groups if parameters]
