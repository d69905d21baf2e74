"""BibTeX entries: the type by the venue, what LaTeX needs, and that every cell of the catalogue has a sound one."""

import re

import pytest

from carrousel.analysis.bibtex import bibtex, key, latex
from carrousel.cell import Source
from carrousel.cells import CELLS

pytestmark = pytest.mark.tiny


def source(venue: str, identifier: str = "", title: str = "A Title") -> Source:
    return Source(title, ("Ada B. Lovelace",), 2001, venue, identifier)


@pytest.mark.parametrize(
    ("venue", "identifier", "lines"),
    [
        (
            "Neural Computation 9(8):1735-1780",
            "doi:10.1162/x",
            ["@article", "journal = {Neural Computation}", "volume = {9}", "number = {8}", "pages = {1735--1780}",
             "doi = {10.1162/x}"],
        ),
        ("arXiv preprint, version 1", "arXiv:1406.1078v1", ["@misc", "eprint = {1406.1078v1}", "archiveprefix = {arXiv}"]),
        (
            "Proceedings of the 33rd International Conference on Machine Learning (ICML), PMLR 48:1-9",
            "",
            ["@inproceedings", "booktitle = {Proceedings of the 33rd International Conference on Machine Learning (ICML)}",
             "series = {Proceedings of Machine Learning Research}", "volume = {48}", "pages = {1--9}"],
        ),
        (
            "arXiv preprint; International Conference on Learning Representations (ICLR) 2017",
            "arXiv:1611.01576",
            ["@inproceedings", "year = {2017}", "eprint = {1611.01576}"],
        ),
        (
            "ICS Report 8604, Institute for Cognitive Science",
            "",
            ["@techreport", "institution = {Institute for Cognitive Science}", "number = {8604}"],
        ),
        ("A thesis", "", ["@misc", "howpublished = {A thesis}"]),
    ],
)  # fmt: skip
def test_the_venue_decides_the_entry(venue: str, identifier: str, lines: list[str]) -> None:
    entry = re.sub(r" +", " ", bibtex(source(venue, identifier)))
    assert entry.startswith(f"{lines[0]}{{lovelace2001title,\n")
    for line in lines[1:]:
        assert f"\n {line},\n" in entry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jürgen", r"J{\"u}rgen"),
        ("Kajić", r"Kaji{\'c}"),
        ("Haşim", r"Ha{\c{s}}im"),
        ("Łukasz Ørn", r"{\L}ukasz {\O}rn"),
        ("50 % of R&D_1 #2 {x} ~^", r"50 \% of R\&D\_1 \#2 \{x\} \textasciitilde{}\textasciicircum{}"),
    ],
)
def test_signs_and_accents_are_escaped(text: str, expected: str) -> None:
    assert latex(text) == expected


def test_capitals_of_abbreviations_are_protected_and_no_others() -> None:
    entry = bibtex(source("arXiv preprint", title="xLSTM, SoPa & IndRNN: Bridging CNNs with a Long Encoder-Decoder"))
    assert "title  = {{xLSTM}, {SoPa} \\& {IndRNN}: Bridging {CNNs} with a Long Encoder-Decoder}" in entry.replace(
        "title        ", "title  "
    )


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_a_sound_entry(name: str) -> None:
    entry = bibtex(CELLS[name].source)
    assert entry.isascii()
    assert entry.count("{") == entry.count("}")
    kind = entry[1 : entry.index("{")]
    needed = {"article": "journal", "inproceedings": "booktitle", "techreport": "institution", "misc": "eprint",
              "incollection": "booktitle", "phdthesis": "school"}  # fmt: skip
    fields = dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.MULTILINE))
    assert {"author", "title", "year", needed[kind]} <= set(fields)
    assert re.fullmatch(r"[a-z]+\d{4}[a-z0-9]+", key(CELLS[name].source))
