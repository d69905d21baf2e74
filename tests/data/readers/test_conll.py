"""Column files and CoNLL-U, good and malformed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.data.readers.conll import read_conll
from carrousel.errors import ConfigError, DataError

pytestmark = pytest.mark.tiny

PLAIN = "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\nPeter NNP B-NP B-PER\n"
CONLLU = """\
# newdoc id = x
# sent_id = 1
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
2.1\tvan\tir\tVERB\t_\t_\t_\t_\t0:root\t_
3\t#\t#\tSYM\t_\t_\t1\tobl\t_\t_

# sent_id = 2
1\tNo\tno\tADV\t_\t_\t0\troot\t_\t_
"""


def written(folder: Path, content: str | bytes, name: str = "x.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def message(path: Path, *columns: int | str) -> str:
    with pytest.raises(DataError) as caught:
        read_conll(path, columns or (0, -1), where="train")
    return str(caught.value)


def test_columns_by_number(tmp_path: Path):
    sentences = read_conll(written(tmp_path, PLAIN))
    assert [s.columns for s in sentences] == [
        (("EU", "rejects"), ("B-ORG", "O")),
        (("Peter",), ("B-PER",)),
    ]
    assert [(s.line, len(s)) for s in sentences] == [(3, 2), (7, 1)]
    assert read_conll(written(tmp_path, PLAIN), (1,))[0].columns == (("NNP", "VBZ"),)


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_change_nothing(tmp_path: Path):
    plain = read_conll(written(tmp_path, PLAIN)).items
    other = b"\xef\xbb\xbf" + PLAIN.replace("\n\n", "\n \t\n").replace("\n", "\r\n").encode()
    assert read_conll(written(tmp_path, other)).items == plain


def test_a_hash_and_odd_blanks_are_words(tmp_path: Path):
    sentence = read_conll(written(tmp_path, "# X\n\u00a0 Y\n"))[0]
    assert sentence.columns == (("#", "\u00a0"), ("X", "Y"))


def test_words_between_tabs_may_hold_blanks(tmp_path: Path):
    assert read_conll(written(tmp_path, "New York\tB\n"))[0].columns == (("New York",), ("B",))


def test_conllu_leaves_out_comments_ranges_and_empty_nodes(tmp_path: Path):
    sentences = read_conll(written(tmp_path, CONLLU), ("FORM", "UPOS"))
    assert [s.columns for s in sentences] == [
        (("vamos", "nos", "#"), ("VERB", "PRON", "SYM")),
        (("No",), ("ADV",)),
    ]
    assert [s.line for s in sentences] == [5, 11]
    assert read_conll(written(tmp_path, CONLLU, "x.conllu"), (1, 3)).items == sentences.items


def test_conllu_plus_names_its_columns(tmp_path: Path):
    text = "# global.columns = ID FORM NER\n# sent_id = 1\n1\tEU\tB-ORG\n"
    assert read_conll(written(tmp_path, text), ("FORM", "NER"))[0].columns == (("EU",), ("B-ORG",))


@pytest.mark.parametrize(
    ("content", "columns", "what"),
    [
        ("a X\nb\n", (), "line 2 has 1 column, expected 2 as in the first line."),
        ("a X\n\nb X Y\n", (), "line 3 has 3 columns, expected 2 as in the first line."),
        ("a\tX\nb\t\n", (), "line 2 has nothing in column -1, expected a word or a tag."),
        ("1\ta\tX\n", ("FORM",), "line 1 has 3 columns, expected 10 between tabs, as in CoNLL-U."),
        (
            CONLLU.replace("3\t#", "4\t#"),
            ("FORM",),
            "line 8 has number '4', expected word 3 of its sentence.",
        ),
        (b"a X\n\xe4 X\n", (), "line 2 is not UTF-8 (byte 4 of the file is 0xe4), expected UTF-8 text."),
        (b"a X\r\nb\0 X\n", (), "line 2 is binary (byte 6 of the file is NUL), expected UTF-8 text."),
        (b"\xef\xbb\xbfa X\rb\0 X\n", (), "line 2 is binary (byte 8 of the file is NUL), expected UTF-8 text."),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, content: str | bytes, columns: tuple[str], what: str):
    path = written(tmp_path, content)
    assert message(path, *columns) == (
        f"train: {path}, {what} Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_skipping_leaves_out_the_whole_sentence(tmp_path: Path):
    path = written(tmp_path, b"a X\nb\nc X\n\nd X\n\n\xff X\n\ne X\n")
    sentences = read_conll(path, skip_bad=True, where="train")
    assert [s.columns[0] for s in sentences] == [("d",), ("e",)]
    assert sentences.faults.skipped == 2
    assert sentences.faults.report() == (
        f"train: 2 malformed lines were skipped: {path}, line 2 has 1 column, expected 2 as in the first line. "
        f"{path}, line 7 is not UTF-8 (byte 16 of the file is 0xff), expected UTF-8 text."
    )


def test_a_file_without_a_sentence_is_refused(tmp_path: Path):
    path = written(tmp_path, "\n\n-DOCSTART- X\n")
    assert message(path) == (f"train: {path} has no sentence, expected at least one. Check that it is the right file.")
    with pytest.raises(DataError) as caught:
        read_conll(written(tmp_path, "a X\nb\n"), skip_bad=True, where="train")
    assert str(caught.value) == (
        f"train: {path} has no sentence, expected at least one. All that was there was malformed and skipped (1). "
        "Check that it is the right file."
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty (0 bytes), expected {}. Check that it was written completely."),
        ("a X".encode("utf-16"), "is UTF-16 (it starts with a byte order mark), expected {}. Save it as UTF-8."),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, what: str):
    path = written(tmp_path, content)
    assert message(path) == f"train: {path} {what.format('a UTF-8 text file with one word a line')}"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    assert message(tmp_path / "y") == (
        f"train: {tmp_path}/y does not exist, expected a UTF-8 text file with one word a line. Check the path."
    )
    assert message(tmp_path) == (
        f"train: {tmp_path} is a folder, expected a UTF-8 text file with one word a line. "
        "Name one file in it, or join its files into one."
    )


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ((0, 4), "columns has 4, expected -4 to 3, since the file has 4 columns. Count from 0."),
        (
            (0, "UPOS"),
            "columns is [0, 'UPOS'], expected numbers from 0, or names of CoNLL-U columns. "
            "Names: ID, FORM, LEMMA, UPOS, XPOS, FEATS, HEAD, DEPREL, DEPS, MISC.",
        ),
    ],
)
def test_columns_that_are_not_there_are_refused(tmp_path: Path, columns: tuple[int | str, ...], what: str):
    with pytest.raises(ConfigError) as caught:
        read_conll(written(tmp_path, PLAIN.replace("-DOCSTART- -X- O O\n\n", "")), columns, where="train")
    assert str(caught.value) == f"train: {what}"


def test_a_misspelt_column_is_answered_with_the_nearest(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        read_conll(written(tmp_path, CONLLU), ("FORM", "UPS"), where="train")
    assert str(caught.value) == (
        "train: columns has 'UPS', expected a column of the file. Did you mean 'UPOS'? "
        "Columns: ID, FORM, LEMMA, UPOS, XPOS, FEATS, HEAD, DEPREL, DEPS, MISC."
    )


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), min_size=1, max_size=4)
word = words.filter(lambda w: w.strip(" \t") != "" and w != "-DOCSTART-")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.tuples(word, words), min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[tuple[str, str]]]):
    text = "\n".join("".join(f"{form}\t{tag}\n" for form, tag in sentence) for sentence in rows)
    path = written(tmp_path_factory.getbasetemp(), b"\xef\xbb\xbf" + text.encode(), "round-trip.txt")
    assert [list(zip(*s.columns, strict=True)) for s in read_conll(path, (0, 1))] == rows


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.tuples(word, words), min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_written_as_conllu_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[list[tuple[str, str]]]):
    lines = [
        "".join(f"{k}\t{form}\t_\t{tag}\t_\t_\t0\troot\t_\t_\n" for k, (form, tag) in enumerate(sentence, 1))
        for sentence in rows
    ]
    path = written(tmp_path_factory.getbasetemp(), "# c\n" + "\n# c\n".join(lines), "round-trip.conllu")
    assert [list(zip(*s.columns, strict=True)) for s in read_conll(path, ("FORM", "UPOS"))] == rows
