"""The classes of settings are all that the registries hold, and say what the types say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import rtrl
from rtrl import _rtrl, settings

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = json.loads(_rtrl.registry())


@pytest.mark.parametrize(
    ("made", "registered"),
    [(settings.ALL_CELLS, REGISTRY["cells"]), (settings.ALL_ESTIMATORS, REGISTRY["estimators"])],
    ids=["cells", "estimators"],
)
def test_every_registered_kind_has_a_class(made, registered):
    assert [one._kind for one in made] == [one["kind"] for one in registered]
    assert len(made) > 10
    for cls, defaults in zip(made, registered):
        fields = cls.__dataclass_fields__
        given = {name: defaults.get(name) for name in fields}
        required = {n: v for n, v in given.items() if fields[n].default is fields[n].default_factory}
        # What the class leaves to its defaults is what the types' defaults are.
        table = cls(**required).to_dict()
        assert {**defaults, **table} == {**table, **defaults}, cls


def test_the_classes_say_what_the_reference_says():
    page = ROOT / "docs" / "CONFIGURATION.md"
    if not page.exists():
        pytest.skip("not in a clone of the repository")
    spec = importlib.util.spec_from_file_location("make", ROOT / "python" / "tools" / "settings.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    # Fields, types and defaults: texts may be newer on the page.
    made = {"__name__": "rtrl._settings"}
    exec(tool.make(page.read_text(encoding="utf-8")).replace("from ._settings", "from rtrl._settings"), made)
    compared = 0
    for name in made["__all__"]:
        own = getattr(settings, name).__dataclass_fields__
        for field, expected in made[name].__dataclass_fields__.items():
            assert (own[field].type, own[field].default) == (expected.type, expected.default), (
                f"{name}.{field}: run python tools/settings.py"
            )
            compared += 1
    assert compared > 50


def test_the_version_is_that_of_the_crates():
    manifest = ROOT / "Cargo.toml"
    if not manifest.exists():
        pytest.skip("not in a clone of the repository")
    assert f'\nversion = "{rtrl.__version__}"\n' in manifest.read_text(encoding="utf-8")


def test_settings_are_refused_by_their_field():
    with pytest.raises(TypeError, match="ordr"):
        rtrl.SnAp(ordr=2)
    net = rtrl.Net(rtrl.Gru(3), 2)
    for wrong, told in [
        ({"kind": "snap", "ordr": 2}, "ordr"),
        ({"kind": "nothing"}, "nothing"),
        ({"order": 2}, "kind"),
        (rtrl.SnAp(0), "order"),
        (rtrl.SnAp("two"), "string"),
        (rtrl.Rflo(float("nan")), "estimator"),
        (3, "estimator"),
    ]:
        with pytest.raises(ValueError, match=told):
            net.estimator(wrong)
    for layers, told in [
        ([], "layers"),
        (rtrl.Gru(0), "layer 0"),
        (rtrl.Gru(3, sparsity=1.5), "layer 0"),
        (rtrl.Gru(3, leak=0.5), "leak"),
        (rtrl.Gru(10**12), "units"),
        ("gru", "layers"),
    ]:
        with pytest.raises(ValueError, match=told):
            rtrl.Net(layers, 2)
