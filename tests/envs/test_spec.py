"""Every citation of `envs/SPEC.md` leads to a section or a quirk of it, and nothing is cited in another form."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "envs" / "SPEC.md"
PARTS = ("Overcooked", "VirtualHome")
FILES = sorted({*(ROOT / "envs").rglob("*.py"), *Path(__file__).parent.glob("*.py")} - {Path(__file__)})

LABEL = r"(?:\d+\.\d+|\d+|Q\d+)\b"
CITATION = re.compile(rf"SPEC\.md, ({'|'.join(PARTS)}) ({LABEL}(?:(?:, | and | to ){LABEL})*)")
"""`SPEC.md, Overcooked 7.2`, or several labels: `SPEC.md, VirtualHome 4, 5.1 and Q1 to Q8`."""

OTHER_FORMS = re.compile(r"SPEC\.md|specification|\bsections? \d|\bquirks? \w*\d|\bQ\d+\b", re.IGNORECASE)


def targets() -> dict[str, set[str]]:
    """The numbers of the sections and quirks of each part."""
    parts = re.split(r"^# (\w+)$", SPEC.read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = dict(zip(parts[1::2], parts[2::2], strict=True))
    pattern = re.compile(r"^(?:#{2,3} (\d+(?:\.\d+)?) |\| (Q\d+) \|)", re.MULTILINE)
    return {part: {number or quirk for number, quirk in pattern.findall(text)} for part, text in texts.items()}


def one_line(text: str) -> str:
    """A source text without the line breaks of comments and docstrings."""
    return re.sub(r"\s*\n\s*(?:# )?", " ", text)


def faults(source: str) -> list[str]:
    """The citations that lead nowhere, and mentions of sections and quirks that are not citations."""
    text, known = one_line(source), targets()
    found = []
    for match in CITATION.finditer(text):
        part, labels = match.groups()
        found += [f"{part} {label}" for label in re.findall(LABEL, labels) if label not in known[part]]
    rest = CITATION.sub("", text)
    return found + [rest[max(0, m.start() - 30) : m.end() + 30] for m in OTHER_FORMS.finditer(rest)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_citations_lead_somewhere(path):
    assert not faults(path.read_text(encoding="utf-8"))


def test_the_document_has_what_is_cited():
    known = targets()
    assert set(known) == set(PARTS)
    quirks = {part: {label for label in known[part] if label.startswith("Q")} for part in PARTS}
    assert {part: len(labels) for part, labels in quirks.items()} == {"Overcooked": 22, "VirtualHome": 20}
    assert {"1", "7.2", "17"} <= known["Overcooked"]
    assert {"1", "5.6", "12"} <= known["VirtualHome"]
    cited = sum(len(CITATION.findall(one_line(path.read_text(encoding="utf-8")))) for path in FILES)
    assert cited > 50


@pytest.mark.parametrize(
    "good",
    [
        "(SPEC.md, Overcooked 7.2).",
        "SPEC.md, VirtualHome 4, 5.1 and Q1 to Q8: a menu",
        "as published (SPEC.md,\n        # Overcooked 7.1\n    # and Q4)",
        '"""The 21 bits of SPEC.md, VirtualHome 5.2."""',
    ],
)
def test_a_right_citation_is_accepted(good):
    assert not faults(good)


@pytest.mark.parametrize(
    "wrong",
    [
        "SPEC.md, Overcooked 7.9",
        "SPEC.md, Overcooked 18",
        "SPEC.md, VirtualHome Q1 to Q21",
        "SPEC.md, VirtualHome 4.6 and 5.7",
        "SPEC.md, AlfWorld 1",
        "see SPEC.md",
        "SPEC.md 7.2",
        "quirk Q4",
        "(Q2)",
        "the tables of section 13",
        "specification sections 4 and 5",
    ],
)
def test_a_wrong_citation_is_found(wrong):
    assert faults(wrong)
