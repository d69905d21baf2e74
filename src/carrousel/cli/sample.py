"""`carrousel sample`: text written by a trained language model."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def sample(
    run: Annotated[Path, typer.Argument(help="Run folder, or any folder with config.json and model.safetensors.")],
    prompt: Annotated[str, typer.Option(help="Text to go on from.")] = "\n",
    length: Annotated[int, typer.Option(help="Characters to write.")] = 400,
    temperature: Annotated[
        float, typer.Option(help="1: the model's own probabilities; less: likelier text; 0: the likeliest.")
    ] = 0.7,
    seed: Annotated[int | None, typer.Option(help="The same seed writes the same text.", show_default=False)] = None,
) -> None:
    """Write text with a trained language model."""
    import torch

    from carrousel.models import LanguageModel

    model = LanguageModel.from_pretrained(run, where="sample")
    unknown = model.vocabulary.unknown_in(prompt)
    if unknown:
        print(
            f"sample: the model has never seen {', '.join(map(repr, unknown))}; what it makes of these is chance.",
            file=sys.stderr,
        )
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    print(prompt.lstrip("\n") + model.sample(prompt, length, temperature, generator))
