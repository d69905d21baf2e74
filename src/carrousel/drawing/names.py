"""Names of values as a paper prints them: h_tm1 as h with index t-1, alpha as α, h_t.2 as h with index t and a 2 on top."""

from dataclasses import dataclass

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "sigma": "σ", "tau": "τ", "phi": "φ", "psi": "ψ", "omega": "ω", "rho": "ρ", "kappa": "κ",
}  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A letter with what stands below and above to its right."""

    letter: str
    below: str = ""
    above: str = ""


def printed(name: str) -> Name:
    """The parts of a name.

    >>> printed("h_tm1"), printed("v_z_t"), printed("s_t.2")
    (Name(letter='h', below='t−1', above=''), Name(letter='v', below='z,t', above=''), Name(letter='s', below='t', above='(2)'))
    """
    bare, _, number = name.partition(".")
    letter, *indices = bare.split("_")
    below = ",".join(_GREEK.get(index, index.replace("tm1", "t−1")) for index in indices)
    return Name(_GREEK.get(letter, letter), below, f"({number})" if number else "")


def greek(symbol: str) -> str:
    """A symbol with the parameter names in it as Greek letters where they are some."""
    for name, letter in _GREEK.items():
        symbol = symbol.replace(name, letter)
    return symbol
