"""What a layer changes about its cell: masks and the truncated gradient, as rewrites of the traced step."""

from dataclasses import dataclass

from carrousel.cell import Cell, Sizes
from carrousel.engine import Rewrite, compile_cell
from carrousel.engine.carrousel import recurrent_matrices
from carrousel.engine.passes.truncate_gradient import truncate_gradient
from carrousel.errors import ConfigError, nearest
from carrousel.layers.masks import Mask
from carrousel.layers.noise import DroppedWeight


@dataclass(frozen=True, eq=False)
class Changes:
    """The settings of one layer.

    Args:
        masks: in the order of application.
        gradient: "full" or "truncated".

    Raises:
        ConfigError: another kind of gradient.
    """

    masks: tuple[Mask, ...] = ()
    gradient: str = "full"

    def __post_init__(self) -> None:
        if self.gradient not in ("full", "truncated"):
            raise ConfigError(
                f"Recurrent: gradient is {self.gradient!r}, expected 'full' or 'truncated'."
                f"{nearest(self.gradient, ('full', 'truncated')) or ' Choose one of these.'}"
            )

    def rewrites(self, is_training: bool) -> tuple[Rewrite, ...]:
        """All changes of the step: of what it computes, of the state that it hands on, and last of its gradient."""
        changes = [r for mask in self.masks for r in (mask.inside if is_training else ())]
        changes += [r for mask in self.masks for r in (mask.training if is_training else mask.testing)]
        return (*changes, *((truncate_gradient,) if self.gradient == "truncated" else ()))

    @property
    def sequence_dropout(self) -> tuple[float, float, float]:
        """Probabilities of the masks on the input, on what layers hand on, and on the output; two masks are as one."""
        places = ("inputs", "between", "outputs")
        kept = dict.fromkeys(places, 1.0)
        for mask in self.masks:
            for place in places:
                kept[place] *= 1 - float(getattr(mask, place))
        return 1 - kept["inputs"], 1 - kept["between"], 1 - kept["outputs"]

    @property
    def words(self) -> list[str]:
        """The settings that differ from none, as they were given."""
        masks = [f"masks=[{', '.join(map(repr, self.masks))}]"] if self.masks else []
        return masks + ([f"gradient={self.gradient!r}"] if self.gradient != "full" else [])

    def check_fields(self, cell: Cell) -> None:
        """Refuse masks on states that the cell does not have, or has masked in the same way already.

        Raises:
            ConfigError: the first such state field.
        """
        seen: set[tuple[str, str]] = set()
        for mask in self.masks:
            for field in mask.fields:
                kind, _, _ = mask.name.partition("(")
                if field not in cell.state_axes:
                    raise ConfigError(
                        f"Recurrent: {mask} names {field!r}, expected state fields of {cell.name}: {', '.join(cell.state_axes)}. "
                        "Use these names."
                    )
                if (kind, field) in seen:
                    raise ConfigError(f"Recurrent: {kind} of {field!r} is given twice, expected once. Join the two.")
                seen.add((kind, field))

    def dropped_weights(self, cell: Cell, sizes: Sizes) -> tuple[DroppedWeight, ...]:
        """The matrices of which elements are zeroed while training.

        Raises:
            ConfigError: a mask on a matrix that is none of the cell's recurrent ones, or a cell without any.
        """
        found = [
            (name, mask.weights, k) for k, mask in enumerate(self.masks) for name in self._matrices(cell, sizes, mask)
        ]
        return tuple(DroppedWeight(name, probability, f"{name}.{k}") for name, probability, k in found)

    def _matrices(self, cell: Cell, sizes: Sizes, mask: Mask) -> tuple[str, ...]:
        if not mask.weights:
            return ()
        known = [n for n in recurrent_matrices(compile_cell(cell, sizes).graph) if not cell.init[n].is_fixed]
        missing = [name for name in mask.matrices if name not in known]
        if missing or not known:
            raise ConfigError(
                f"Recurrent: {mask} masks recurrent matrices, and {cell.name} has "
                f"{'none' if not known else f'no {missing[0]!r}, it has ' + ', '.join(known)}. "
                f"{'Leave the mask out.' if not known else 'Use these names.'}"
            )
        return mask.matrices or tuple(known)
