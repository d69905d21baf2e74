"""The axis letters of every shape in Carrousel, each with one meaning.

A shape annotation is a string of these letters: `Float[Tensor, "T B D"]`. Sizes that a cell's own mathematics needs and that
follow from nothing else (blocks, lanes, ranks) are declared on its card by one of these letters.
"""

AXES = {
    "B": "batch: independent sequences",
    "T": "time steps",
    "D": "input size",
    "H": "hidden size",
    "L": "layers",
    "N": "heads, or memory-cell blocks",
    "S": "cells in a block",
    "C": "classes",
    "O": "output size, where it differs from the hidden size",
    "P": "projection size",
    "K": "chunk, or memory lanes",
}
