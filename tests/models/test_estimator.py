"""What the Python classes of all kinds share: `fit`, settings, and where a loaded model stands."""

from pathlib import Path

import pytest

from carrousel import Autoencoder, Classifier
from carrousel.errors import ConfigError

TEXTS, LABELS = ["good soup", "bad soup"] * 20, ["yes", "no"] * 20


def small() -> Classifier:
    return Classifier(hidden_size=4, epochs=2, threads=1)


def test_an_estimator_prints_as_it_was_made(tmp_path: Path) -> None:
    assert repr(small()) == "Classifier(hidden_size=4, epochs=2, threads=1)"
    small().fit(TEXTS, LABELS).save_pretrained(tmp_path)
    assert repr(Classifier.from_pretrained(tmp_path)) == f"Classifier.from_pretrained({str(tmp_path)!r})"


def test_fitting_is_silent_unless_progress_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    small().fit(TEXTS, LABELS)
    assert capsys.readouterr() == ("", "")
    small().fit(TEXTS, LABELS, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("update")] == ["update 2", "update 4"]


def test_a_loaded_model_is_not_trained_with_settings_that_nobody_gave(tmp_path: Path) -> None:
    small().fit(TEXTS, LABELS).save_pretrained(tmp_path)
    loaded = Classifier.from_pretrained(tmp_path)
    with pytest.raises(ConfigError) as caught:
        loaded.fit(TEXTS, LABELS)
    assert str(caught.value) == (
        f"Classifier.fit: Classifier.from_pretrained({str(tmp_path)!r}) has the weights of a trained model but no settings to "
        "train with, expected Classifier(settings). To go on from these weights: Classifier(...).fit(data, "
        f"finetune={str(tmp_path)!r})."
    )
    again = loaded.set_params(hidden_size=4, epochs=1, threads=1).fit(TEXTS, LABELS)  # settings that somebody gave
    assert again.figures["accuracy"] >= 0.0


@pytest.mark.tiny
def test_a_model_that_learned_nothing_yet_has_no_network() -> None:
    with pytest.raises(ConfigError) as caught:
        _ = Autoencoder().network
    assert str(caught.value) == "Autoencoder: there is no network yet, expected a fitted model. Call fit(data) first."
