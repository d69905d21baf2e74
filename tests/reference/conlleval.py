"""conlleval of the CoNLL shared tasks, its loop and its two conditions, line by line.

Source: Tjong Kim Sang, conlleval (Perl), 1998-2004; the rules for S- are those that its Python ports add: S- is a span of its own,
and B- always begins one.
"""

from collections import Counter
from collections.abc import Sequence


def end_of_chunk(last_tag: str, tag: str, last_type: str, kind: str) -> bool:
    end = False
    if last_tag == "E":
        end = True
    if last_tag == "S":
        end = True
    if last_tag == "B" and tag == "B":
        end = True
    if last_tag == "B" and tag == "S":
        end = True
    if last_tag == "B" and tag == "O":
        end = True
    if last_tag == "I" and tag == "B":
        end = True
    if last_tag == "I" and tag == "S":
        end = True
    if last_tag == "I" and tag == "O":
        end = True
    if last_tag != "O" and last_tag != "." and last_type != kind:
        end = True
    return end


def start_of_chunk(last_tag: str, tag: str, last_type: str, kind: str) -> bool:
    start = False
    if tag == "B":
        start = True
    if tag == "S":
        start = True
    if last_tag == "E" and tag == "E":
        start = True
    if last_tag == "E" and tag == "I":
        start = True
    if last_tag == "S" and tag == "E":
        start = True
    if last_tag == "S" and tag == "I":
        start = True
    if last_tag == "O" and tag == "E":
        start = True
    if last_tag == "O" and tag == "I":
        start = True
    if tag != "O" and tag != "." and last_type != kind:
        start = True
    return start


def conlleval(
    sentences: Sequence[Sequence[tuple[str, str]]],
) -> tuple[Counter[str], Counter[str], Counter[str], int, int]:
    """(correct, guessed) tags of each sentence -> chunks by type that are right, in the data, guessed; tags right, tags."""
    correct_chunk, found_correct, found_guessed = Counter[str](), Counter[str](), Counter[str]()
    correct_tags = token_counter = 0
    in_correct = False
    last_correct = last_guessed = "O"
    last_correct_type = last_guessed_type = ""
    for sentence in sentences:
        for line in [*sentence, None]:
            both = ("O", "O") if line is None else line
            correct, _, correct_type = both[0].partition("-")
            guessed, _, guessed_type = both[1].partition("-")
            ends = end_of_chunk(last_correct, correct, last_correct_type, correct_type)
            guess_ends = end_of_chunk(last_guessed, guessed, last_guessed_type, guessed_type)
            starts = start_of_chunk(last_correct, correct, last_correct_type, correct_type)
            guess_starts = start_of_chunk(last_guessed, guessed, last_guessed_type, guessed_type)
            if in_correct:
                if ends and guess_ends and last_guessed_type == last_correct_type:
                    in_correct = False
                    correct_chunk[last_correct_type] += 1
                elif ends != guess_ends or guessed_type != correct_type:
                    in_correct = False
            if starts and guess_starts and guessed_type == correct_type:
                in_correct = True
            if starts:
                found_correct[correct_type] += 1
            if guess_starts:
                found_guessed[guessed_type] += 1
            if line is not None:
                correct_tags += correct == guessed and guessed_type == correct_type
                token_counter += 1
            last_correct, last_guessed = correct, guessed
            last_correct_type, last_guessed_type = correct_type, guessed_type
    return correct_chunk, found_correct, found_guessed, correct_tags, token_counter
