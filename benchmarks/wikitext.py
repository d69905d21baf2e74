"""The plain text of Wikipedia's articles, out of a dump of its pages."""

import html
import re
from dataclasses import dataclass

INNERMOST = re.compile(r"\{\{([^{}]*)\}\}")
TABLE = re.compile(r"\{\|.*?\n\|\}", re.S)
PICTURE = re.compile(r"\[\[(?:File|Image):[^\[\]]*\]\]", re.I)
NOTE = re.compile(r"<ref\b[^>]*/>|<(ref|math|gallery|timeline|score)\b[^>]*>.*?</\1>|<!--.*?-->", re.S | re.I)
LINK = re.compile(r"\[\[(?!File:|Image:)(?:[^|\[\]]*\|)?([^\[\]]*)\]\]", re.I)
OUTER_LINK = re.compile(r"\[https?://\S+\s*([^\]]*)\]")


@dataclass(frozen=True)
class Article:
    """A page that is an article.

    Attributes:
        revision: number of the version that the dump has.
        source: its text with markup.
    """

    title: str
    revision: str
    source: str

    def opening(self, num_bytes: int) -> str:
        """The first paragraphs of prose, a line each, until there are so many bytes in UTF-8."""
        chosen, size = list[str](), 0
        for line in plain(self.source).split("\n"):
            if size < num_bytes and line[0] not in "=*#:;|!" and len(line) > 80 and line[-1] in '."':
                chosen.append(line)
                size += len(line.encode())
        return "\n".join(chosen)


def articles_of(dump: str) -> list[Article]:
    """The articles in the order of the dump: no redirections, no lists, no pages that only tell meanings of a word apart."""
    found: list[Article] = []
    for page in re.findall(r"<page>(.*?)</page>", dump, re.S):
        title, namespace, revision, source = (
            html.unescape(re.search(pattern, page, re.S)[1])  # type: ignore[index]  # every page has all of them
            for pattern in (
                r"<title>(.*?)</title>",
                r"<ns>(.*?)</ns>",
                r"<revision>\s*<id>(\d+)<",
                r"<text[^>]*>(.*?)</text>",
            )
        )
        is_list = title.startswith("List of") or re.search(
            r"\{\{\s*([^{}|]*disambig[^{}|]*|hndis|surname)\b", source, re.I
        )
        if namespace == "0" and "<redirect" not in page and not is_list:
            found.append(Article(title, revision, source))
    return found


def plain(source: str) -> str:
    """Text without notes, tables, pictures and boxes; of links what is shown, of templates what they say in words."""
    text = OUTER_LINK.sub(r"\1", LINK.sub(r"\1", NOTE.sub("", source)))
    while INNERMOST.search(text):
        text = INNERMOST.sub(lambda found: said_by(found[1].split("|")), text)
    text = TABLE.sub("", PICTURE.sub("", text))
    text = html.unescape(re.sub(r"<[^<>]*>|'{2,}", "", text)).replace("\u00a0", " ")
    text = re.sub(r"\(\s*[,;:\s]*|\s*[,;]*\s*\)", lambda found: found[0].strip(" ,;:\n"), text)
    text = re.sub(r"[ \t]+([,.;])", r"\1", re.sub(r"\(\)", "", text))
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def said_by(parts: list[str]) -> str:
    """What some templates show: measures, formulas, words of another language; nothing for the others."""
    name, values = parts[0].strip().lower(), [part.strip() for part in parts[1:] if "=" not in part]
    if name in ("convert", "cvt") and len(values) > 1:
        return f"{values[0]} {values[1]}"
    if name == "chem":
        return "".join(values)
    if name == "as of" and values:
        return f"{'as' if 'lc=y' in parts else 'As'} of {values[0]}"
    return values[-1] if values and name in ("lang", "nowrap", "transl", "small", "nq", "nastaliq") else ""
