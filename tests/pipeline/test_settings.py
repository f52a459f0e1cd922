import pytest

from fathom.checkpoint import family_of
from fathom.errors import SettingsError
from fathom.families import FAMILIES
from fathom.pipeline.settings import ArchitectureSettings

PUBLISHED = sorted(FAMILIES.keys() - {"marian", "fathom"})


@pytest.mark.parametrize("name", PUBLISHED)
def test_architecture_of_a_published_family_is_saved_as_that_family(name: str) -> None:
    settings = ArchitectureSettings(family=name, width=32, heads=2, depth=4)
    config = settings.config(vocab_size=100, pad_id=1 if name == "roberta" else 0, max_length=64, dropout=0.2)
    assert (config.width, config.depth, config.dropout) == (32, 4, 0.2)
    assert family_of(config, "causal" if config.causal else "masked").model_type == name


def test_architecture_without_a_family_is_what_its_fields_say() -> None:
    config = ArchitectureSettings(positions="rotary", gated=True, norm="rms").config(vocab_size=100, pad_id=0, max_length=64)
    assert (config.positions, config.gated, config.norm, config.norm_position) == ("rotary", True, "rms", "before")


def test_architecture_that_a_family_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"norm_position is 'before'\n  expected: norm_position 'after'"):
        ArchitectureSettings(family="bert", norm_position="before").config(vocab_size=9, pad_id=0, max_length=8)
    with pytest.raises(SettingsError, match="no family 'brt'"):
        ArchitectureSettings(family="brt").config(vocab_size=9, pad_id=0, max_length=8)
    with pytest.raises(SettingsError, match="heads is 3"):
        ArchitectureSettings(heads=3).config(vocab_size=9, pad_id=0, max_length=8)


def test_architecture_with_global_tokens_and_random_blocks_is_fathoms_own() -> None:
    wanted = {"pattern": "lg", "window": 64, "global_tokens": 1, "random_blocks": 3}
    config = ArchitectureSettings(**wanted).config(vocab_size=100, pad_id=0, max_length=4096)
    assert {name: getattr(config, name) for name in wanted} == wanted
    assert family_of(config, "masked").model_type == "fathom"
    with pytest.raises(SettingsError, match=r"global_tokens is 1\n  expected: global_tokens 0"):
        ArchitectureSettings(family="modernbert", global_tokens=1).config(vocab_size=99, pad_id=0, max_length=8)
    with pytest.raises(SettingsError, match="random_blocks is 1, expected 0, where pattern has no l"):
        ArchitectureSettings(random_blocks=1).config(vocab_size=99, pad_id=0, max_length=8)
