"""A table as a spreadsheet leaves it is read as its writer sees it, or the message says what is wrong."""

from pathlib import Path

import pytest

from t1t2core.cohort.table import read_table
from t1t2core.errors import InputError

COLUMNS = ("subject", "t1w", "t2w")
ROWS = [
    {"subject": "p01", "t1w": "a/t1.nii", "t2w": "a/t2.nii", "ct": "a/ct.nii"},
    {"subject": "p02", "t1w": "b, right/t1.nii", "t2w": "", "ct": "Müller/ct.nii"},
]
EXCEL = "subject;t1w;t2w;ct\r\np01;a/t1.nii;a/t2.nii;a/ct.nii\r\np02;b, right/t1.nii;;M\u00fcller/ct.nii\r\n"
"""As Excel saves it where the comma is the decimal mark."""

COMMAS = 'subject,t1w,t2w,ct\np01,a/t1.nii,a/t2.nii,a/ct.nii\np02,"b, right/t1.nii",,M\u00fcller/ct.nii\n'
"""As LibreOffice saves it."""

TABS = EXCEL.replace(";", "\t")


def rows(folder: Path, content: bytes) -> list[tuple[int, dict[str, str]]]:
    (folder / "heads.csv").write_bytes(content)
    return read_table(folder / "heads.csv", required=COLUMNS, optional=("ct",))


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        rows(folder, content)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        COMMAS.encode(),
        b"\xef\xbb\xbf" + EXCEL.encode(),
        TABS.encode(),
        TABS.encode("utf-16"),
        b"\xfe\xff" + TABS.encode("utf-16-be"),
        EXCEL.replace(";", "|").encode(),
        EXCEL.replace("\r\n", "\r").encode(),
        COMMAS.replace("\n", ",,\n").encode(),
        COMMAS.replace("ct\n", "ct,,\n").encode(),
        EXCEL.replace("\r\n", ";;\r\n").encode(),
        COMMAS.replace("\n", ",\t\u00a0\n").encode(),
        COMMAS.replace("subject,t1w,t2w,ct", "Subject, T1W ,\u00a0T2w,CT").encode(),
        COMMAS.replace("p01", "\u00a0p01 ").encode(),
        (COMMAS + "\n,,,\n\t\n ; \n".replace(";", ",")).encode(),
        b"\xef\xbb\xbf" + (EXCEL + ";;;\r\n").encode(),
        b"\n,subject,t1w,t2w,ct\n" + b"".join(b"0," + line.encode() for line in COMMAS.splitlines(True)[1:]),
    ],
    ids=[
        *("commas", "semicolons", "tabs", "UTF-16", "UTF-16, big end first", "bars", "old Mac"),
        *("empty columns", "empty columns in the header", "empty columns, semicolons", "odd spaces"),
        *("capitals", "spaces around a name", "empty lines", "a line of semicolons", "numbered lines"),
    ],
)
def test_a_dialect_is_read_as_it_was_meant(tmp_path: Path, content: bytes) -> None:
    assert [{name: cells[name] for name in ROWS[0]} for _, cells in rows(tmp_path, content)] == ROWS


@pytest.mark.parametrize(
    ("first", "table"),
    [("sep=;\r\n", EXCEL), ("sep=,\n", COMMAS), ('"sep=\t"\r\n', TABS), ("SEP=;\r", EXCEL)],
)
def test_a_first_line_that_tells_the_delimiter_counts_as_a_line(
    tmp_path: Path, first: str, table: str
) -> None:
    found = rows(tmp_path, (first + table).encode("utf-8-sig"))
    assert [number for number, _ in found] == [3, 4]
    assert [{name: cells[name] for name in ROWS[0]} for _, cells in found] == ROWS


def test_lines_are_numbered_as_an_editor_numbers_them(tmp_path: Path) -> None:
    found = rows(tmp_path, b"\n;;\nsubject;t1w;t2w\n\np01;a;b\n;;\np02;c;d\n")
    assert [number for number, _ in found] == [5, 7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (EXCEL.encode("latin-1"), "no text in UTF-8"),
        (
            "subject;t1w;t2w\np01;a;b\n".encode("utf-16-le"),
            "zero bytes, as UTF-16 without a byte-order mark: save it as UTF-8",
        ),
        (b"\xff\xfes", "no text in UTF-16"),
        (b"PK\x03\x04\x14\x00\xff\xff", "no text in UTF-8"),
        (b"subject,t1w,t2w\np01,a,b\np02,a b,c,d\n", "line 3: 4 cells"),
        (b"subject,t1w,t2w,,\np01,a,b,,\np02,a,b,c,d,e\n", "line 3: 6 cells"),
        (b"subject;t1w;t2w\np01,a,b\n", "line 2: 1 cells"),
        (b"sep=;\nsubject,t1w,t2w\np01,a,b\n", "column 'subject' is missing"),
        (b"subject,t1w,t2w,CT,ct\np01,a,b,c,d\n", "column 'ct' is there twice"),
        (b'sep=,\nsubject,t1w,t2w\np01,"a"b,c\n', "line 3: "),
        (b"sep=;\n", "empty"),
        (b";;;\n\n", "empty"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, content)
