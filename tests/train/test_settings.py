import pytest

from carrousel.errors import ConfigError
from carrousel.models.language_model.settings import LanguageModelSettings as Config

pytestmark = pytest.mark.tiny

ALL = "All settings: carrousel train --settings language-model"
FAULTS = [
    (["model.hiden_size=128"], "unknown setting 'model.hiden_size'. Did you mean 'model.hidden_size'?"),
    (["hidden_size=128"], "unknown setting 'hidden_size'. Did you mean 'model.hidden_size'?"),
    (["modle.cell=gru"], "unknown setting 'modle'. Did you mean 'model'?"),
    (["quux=1"], "unknown setting 'quux'."),
    (["model.bidirectional=true"], "model.bidirectional is True, expected no such setting: a language model gives each symbol a "
     "probability from those before it alone. Leave it out."),
    (["train.updates=0"], "train.updates is 0, expected at least 1."),
    (["train.updates=1.5"], "train.updates is 1.5, expected a whole number."),
    (["model.hidden_size=wide"], "model.hidden_size is 'wide', expected a whole number."),
    (["model.dropout=1"], "model.dropout is 1, expected below 1."),
    (["train.learning_rate=0"], "train.learning_rate is 0, expected above 0."),
    (["train.learning_rate=.nan"], "train.learning_rate is nan, expected a finite number."),
    (["model.cell=lsmt"], "model.cell: unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells."),
    (["model.sizes={hidden_size: 3}"], "model.sizes: hidden_size is a setting of its own, model.hidden_size."),
    (["train=5"], "train is 5, expected settings below it, such as train.updates=VALUE."),
    (["train=5", "train.updates=5"], "train.updates lies inside train, which is 5, expected a section. "
     "train is 5, expected settings below it, such as train.updates=VALUE."),
    (["train.updates"], "'train.updates' is no setting, expected KEY=VALUE, such as train.updates=500."),
    (["data.text={a"], "data.text is {a, expected a YAML value. Put it in quotes: data.text='\"...\"'."),
    (["model.hiden_size=1", "train.updates=0"],
     "unknown setting 'model.hiden_size'. Did you mean 'model.hidden_size'? train.updates is 0, expected at least 1."),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "message"), FAULTS)
def test_every_fault_is_named(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.of({}, overrides)
    assert str(caught.value) == f"train: {message} {ALL}"


def test_overrides_are_read_as_yaml() -> None:
    config = Config.of(
        {"train": {"updates": 7}},
        ["train.learning_rate=1e-3", "train.clip_norm=.inf", "model.sizes.proj_size=5", "model.cell=gru"],
    )
    assert (config.train.updates, config.train.learning_rate, config.train.clip_norm) == (7, 1e-3, float("inf"))
    assert (config.model.sizes, config.model.cell) == ({"proj_size": 5}, "gru")


def test_settings_given_are_not_changed_by_overrides() -> None:
    settings = {"train": {"updates": 7}}
    Config.of(settings, ["train.updates=9"])
    assert settings == {"train": {"updates": 7}}


def test_a_config_comes_back_from_its_yaml() -> None:
    config = Config.of(
        {}, ['sample.prompt="a # \\n b"', "data.text=Ä.txt", "train.clip_norm=.inf", "model.forget_bias=null"]
    )
    assert Config.from_yaml(config.to_yaml()) == config


def test_every_setting_is_documented() -> None:
    lines = Config().to_yaml().splitlines()
    assert lines[0] == "kind: language-model"
    documented = [line.split(":")[0].strip() for line in lines if line.startswith("  ") and "  # " in line]
    assert documented == [name.split(".")[1] for name in Config.names()]
    assert all(len(line.split("  # ")[1]) > 4 for line in lines if line.startswith("  "))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "- 1\n",
            "train: the settings are [1], expected sections such as 'train:'. All settings: carrousel train --settings KIND",
        ),
        ("train:\n  updats: 3\n", f"train: unknown setting 'train.updats'. Did you mean 'train.updates'? {ALL}"),
    ],
)
def test_a_wrong_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_yaml(text)
    assert str(caught.value) == message


def test_a_file_that_is_not_yaml_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_yaml("train: {")
    assert str(caught.value).startswith("train: the settings are not YAML (")
    assert "line 1, column 9" in str(caught.value)
