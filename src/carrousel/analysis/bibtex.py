"""A cell's source as a BibTeX entry."""

import re
import unicodedata

from carrousel.cell import Source

_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0328": "k",
}  # fmt: skip
_LETTERS = {
    "ø": r"\o",
    "Ø": r"\O",
    "ł": r"\l",
    "Ł": r"\L",
    "ß": r"\ss",
    "æ": r"\ae",
    "Æ": r"\AE",
    "œ": r"\oe",
    "ı": r"\i",
}
_SPECIAL = {**{sign: "\\" + sign for sign in "&%$#_{}"}, "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_JOURNAL = re.compile(r"(?P<journal>.+?),? (?P<volume>\d+)(?:\((?P<number>[\d-]+)\))?(?:(?::|, )(?P<pages>[\d-]+))?")
_PAGES = re.compile(r",? ?(?:pages |pp\. )(?P<pages>\d+-\d+)$|, (?P<last>\d+-\d+)$")
_SERIES = re.compile(r", PMLR (?P<volume>\d+)(?::(?P<pages>\d+-\d+))?$")
_MEETING = re.compile(r"Proceedings|Conference|Symposium|Workshop|workshop|Advances in|ICLR|NeurIPS|NIPS|Meeting")
_SKIPPED = frozenset(("a", "an", "the", "on", "of"))


def bibtex(source: Source) -> str:
    """The entry, ready for a .bib file: entry type by the venue, accents as LaTeX, capitals of abbreviations in braces.

    >>> print(bibtex(Source("Long Short-Term Memory in R&D", ("Jürgen Schmidhuber",), 1997, "Neural Computation 9(8):1735-1780")))
    @article{schmidhuber1997long,
      author  = {J{\\"u}rgen Schmidhuber},
      title   = {Long Short-Term Memory in {R}\\&{D}},
      journal = {Neural Computation},
      volume  = {9},
      number  = {8},
      pages   = {1735--1780},
      year    = {1997},
    }
    """
    kind, where = _publication(source.venue)
    year = where.pop("year", str(source.year))
    fields = {
        "author": " and ".join(latex(author) for author in source.authors),
        "title": _protected(source.title),
        **{name: latex(value) for name, value in where.items() if name != "pages"},
    }
    if "pages" in where:
        fields["pages"] = where["pages"].replace("-", "--")
    fields["year"] = year
    fields |= _identifier(source.identifier)
    width = max(len(name) for name in fields)
    lines = [f"  {name.ljust(width)} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key(source)},", *lines, "}"])


def key(source: Source) -> str:
    """The entry's key: family name of the first author, year, first word of the title, in plain letters."""
    family = source.authors[0].split()[-1]
    words = [word for word in re.split(r"[\s:]+", source.title) if word.lower() not in _SKIPPED]
    return _plain(family) + str(source.year) + _plain(words[0].partition("-")[0])


def latex(text: str) -> str:
    """Text for LaTeX: special signs escaped, accented letters as commands."""
    return "".join(_letter(sign) for sign in text)


def _letter(sign: str) -> str:
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    if sign in _LETTERS:
        return f"{{{_LETTERS[sign]}}}"
    base, *marks = unicodedata.normalize("NFD", sign)
    if len(marks) != 1 or marks[0] not in _ACCENTS:
        return sign
    accent = _ACCENTS[marks[0]]
    return f"{{\\{accent}{{{base}}}}}" if accent.isalpha() else f"{{\\{accent}{base}}}"


def _protected(title: str) -> str:
    """The title with braces round words whose capitals a bibliography style must not lower: LSTM, xLSTM, IndRNN, SoPa."""
    parts = re.split(r"([A-Za-z0-9]+)", title)
    return "".join(f"{{{part}}}" if _is_abbreviation(part) else latex(part) for part in parts)


def _is_abbreviation(word: str) -> bool:
    return any(letter.isupper() for letter in word[1:]) or (len(word) == 1 and word.isupper() and word != "A")


def _publication(venue: str) -> tuple[str, dict[str, str]]:
    """The entry type and the fields that say where: the last part of the venue that is not a preprint counts."""
    parts = [part.strip() for part in venue.split(";")]
    printed = [part for part in parts if not re.search(r"preprint|[Vv]ersion \d", part)]
    if not printed:
        return "misc", {}
    place = printed[-1]
    if "Report" in place:
        number, _, institution = place.partition(", ")
        return "techreport", {"institution": institution, "number": number.removeprefix("ICS Report ")}
    if _MEETING.search(place):
        held = re.search(r"\b(?:19|20)\d\d\b", place)
        return "inproceedings", _meeting(place) | ({"year": held[0]} if held else {})
    found = _JOURNAL.fullmatch(place)
    if found is None:
        return "misc", {"howpublished": place}
    return "article", {name: value for name, value in found.groupdict().items() if value}


def _meeting(place: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    series = _SERIES.search(place)
    if series:
        place = place[: series.start()]
        fields = {"series": "Proceedings of Machine Learning Research"}
        fields |= {name: value for name, value in series.groupdict().items() if value}
    pages = _PAGES.search(place)
    if pages:
        place = place[: pages.start()]
        fields["pages"] = pages["pages"] or pages["last"]
    volume = re.search(r"(?:, volume)? (\d+)(?:\((\d+)\))?$", place)
    if volume:
        place = place[: volume.start()]
        fields["volume"] = volume[1]
        fields |= {"number": volume[2]} if volume[2] else {}
    return {"booktitle": place, **fields}


def _identifier(identifier: str) -> dict[str, str]:
    scheme, _, value = identifier.partition(":")
    if scheme == "doi":
        return {"doi": value}
    if scheme == "arXiv":
        return {"eprint": value, "archiveprefix": "arXiv"}
    return {"note": latex(identifier)} if identifier else {}


def _plain(word: str) -> str:
    letters = unicodedata.normalize("NFD", word.lower())
    return "".join(letter for letter in letters if letter.isascii() and letter.isalnum())
