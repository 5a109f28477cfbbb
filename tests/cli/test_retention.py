"""`python -m twosome.retention`: perplexity and KL as JSON; a mistake is one paragraph."""

import json

import pytest

from twosome.cli.retention import main


def test_an_untrained_model_has_kept_everything(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("The kitchen has one table. On the table you see a tomato. You pick it up and wash it. " * 4)
    main(["tiny", str(text)])
    found = json.loads(capsys.readouterr().out)
    assert found["perplexity_after"] == pytest.approx(found["perplexity_before"])
    assert found["kl"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("argv", [["tiny", "/there/is/none.txt"], ["/there/is/no/run"]])
def test_what_is_not_there_is_said_in_one_paragraph(argv: list[str], capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "/there/is/no" in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "two tokens or more"), (b"\xff\xfe\x00", "cannot be read as UTF-8")]
)
def test_a_text_that_cannot_be_measured_is_refused(content: bytes, said: str, tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["tiny", str(text)])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
