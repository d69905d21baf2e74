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
    "S": "cells in a block, or units of a head",
    "C": "classes",
    "O": "output size, where it differs from the hidden size",
    "P": "projection size",
    "K": "chunk, or memory lanes",
    "E": "inputs of a head",
    "Q": "states of a pattern",
    "A": "steps from state to state of a pattern",
    "R": "roles of a binding",
    "M": "polynomials of a memory",
    "W": "window: steps that a memory spans",
    "U": "units of a backbone",
    "G": "topic size",
    "X": "input size without the topic",
    "J": "generators of a Lie group",
    "F": "size of a projection that is not fed back",
    "I": "levels inside the outermost one, or layers above the first",
}

EMPTY_AXES = ("I",)
"""Axes that may have no element; every other has at least one."""
