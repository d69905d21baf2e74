"""`carrousel sample`: text written by a trained language model."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def sample(
    run: Annotated[Path, typer.Argument(help="Run folder, or any folder with config.json and model.safetensors.")],
    prompt: Annotated[str, typer.Option(help="Text to go on from.")] = "\n",
    length: Annotated[int, typer.Option(help="Characters, words or bytes to write.")] = 400,
    temperature: Annotated[
        float, typer.Option(help="1: the model's own probabilities; less: likelier text; 0: the likeliest.")
    ] = 0.7,
    seed: Annotated[int | None, typer.Option(help="The same seed writes the same text.", show_default=False)] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Draw among that many likeliest symbols.", show_default=False)
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Draw among the likeliest symbols that reach this probability.", show_default=False),
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option(help="Search for the likeliest line with that many candidates instead.", show_default=False),
    ] = None,
) -> None:
    """Write text with a trained language model."""
    import torch

    from carrousel.errors import ConfigError
    from carrousel.models.language_model import LanguageModelNetwork
    from carrousel.models.language_model.vocabularies import unit_of

    if beam is not None and (top_k, top_p, seed) != (None, None, None):
        raise ConfigError(
            "sample: --beam is given with --top-k, --top-p or --seed, expected it without them: a beam search draws nothing. "
            "Leave the others out."
        )
    model = LanguageModelNetwork.from_pretrained(run, where="sample")
    unknown = model.vocabulary.unknown_in(prompt)
    if unknown:
        print(
            f"sample: the model has never seen {', '.join(map(repr, unknown))}; what it makes of these is chance.",
            file=sys.stderr,
        )
    if beam is None:
        generator = torch.Generator()
        generator.seed() if seed is None else generator.manual_seed(seed)
        written = model.sample(prompt, length, temperature, generator, top_k, top_p)
    else:
        written = model.beam(prompt, length, beam)
    begin = prompt.lstrip("\n")
    is_word_next = unit_of(model.vocabulary) == "word" and begin and not begin[-1].isspace()
    print(begin + (" " if is_word_next else "") + written)
