"""What the options ``noise`` and ``lifetime`` do to a result."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from noise_tools import assert_independent, assert_unit_variance, draw

from sunpy_superres import SuperResWarning, super_resolve

#: One step of a small model: what is tested is what it starts from.
QUICK = {"n_samples": 2, "num_steps": 1, "seed": 5, "progress": False, "dtype": "float32"}


@pytest.fixture
def drawn_from(monkeypatch):
    """The noise that networks were given, in the order of the members."""
    from sunpy_superres.models.residual_ldm import ResidualLDM

    given, whole = [], ResidualLDM.draw

    def spy(self, prepared, noise, *args):
        given.extend(noise.numpy().copy())
        return whole(self, prepared, noise, *args)

    monkeypatch.setattr(ResidualLDM, "draw", spy)
    return given


def test_array_noise_is_that_of_earlier_versions(mdi_cutout, tiny_model, drawn_from):
    import torch

    super_resolve(mdi_cutout, model=tiny_model, noise="array", **QUICK)
    for member, noise in enumerate(drawn_from):
        state = np.random.SeedSequence([5, member]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(state) >> 1)
        expected = torch.randn((4, 40, 48), generator=generator).numpy()
        np.testing.assert_array_equal(noise, expected)
    assert len(drawn_from) == 2


def test_default_is_the_noise_on_the_sun(mdi_cutout, tiny_model, tiny_network, drawn_from):
    import torch

    hmi_like, _ = super_resolve(mdi_cutout, model=tiny_model, **QUICK)
    assert hmi_like.meta["srnoiset"] == "sun"
    assert hmi_like.meta["srlife"] == 1.0
    for member, noise in enumerate(drawn_from):
        fine = torch.from_numpy(draw(mdi_cutout, member, seed=5))[None, None]
        with torch.inference_mode():
            expected = tiny_network.project_noise(fine)[0].numpy()
        # The folder holds the basis in half precision.
        np.testing.assert_allclose(noise, expected, atol=5e-3)
    never, _ = super_resolve(mdi_cutout, model=tiny_model, lifetime=None, **QUICK)
    assert "srlife" not in never.meta
    assert not np.array_equal(never.data, hmi_like.data)


# sunpy's own warning of the same.
@pytest.mark.filterwarnings("ignore:Missing metadata for observer")
def test_without_an_observer_it_is_tied_to_the_array(mdi_header, bipole, tiny_model):
    header = mdi_header((40, 48), corner=(540, 500), crln_obs=None, crlt_obs=None)
    smap = sunpy.map.Map(bipole((40, 48)), header)
    options = QUICK | {"model": tiny_model}
    with pytest.warns(SuperResWarning, match="observer"):
        hmi_like, _ = super_resolve(smap, **options)
    assert hmi_like.meta["srnoiset"] == "array"
    assert "srlife" not in hmi_like.meta
    with pytest.warns(SuperResWarning, match="observer"):
        told, _ = super_resolve(smap, noise="array", **options)
    np.testing.assert_array_equal(told.data, hmi_like.data)


def test_noise_off_the_disk_and_beside_odd_sides_is_known(
    mdi_header, bipole, tiny_model, drawn_from
):
    """Across the limb, 39 x 47 pixels."""
    smap = sunpy.map.Map(bipole((39, 47)), mdi_header((39, 47), corner=(980, 490)))
    super_resolve(smap, model=tiny_model, **QUICK)
    for noise in drawn_from:
        assert noise.shape == (4, 40, 48)
        assert np.isfinite(noise).all()
        assert_unit_variance(noise[:, :39, :47])
    assert_independent(*drawn_from)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("noise", "moon"),
        ("noise", None),
        ("lifetime", 1.0),
        ("lifetime", 1 * u.G),
        ("lifetime", -1 * u.day),
        ("lifetime", 0 * u.day),
        ("lifetime", np.nan * u.day),
        ("lifetime", [1, 2] * u.day),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(mdi_cutout, tiny_model, option, value):
    with pytest.raises(ValueError, match=rf"^{option} must be .*not .*\.$"):
        super_resolve(mdi_cutout, model=tiny_model, **QUICK | {option: value})


def test_a_lifetime_in_any_unit_of_time(mdi_cutout, tiny_model):
    results = [
        super_resolve(mdi_cutout, model=tiny_model, lifetime=life, **QUICK)[0]
        for life in (36 * u.hour, 1.5 * u.day, "1.5 d")
    ]
    for result in results:
        assert result.meta["srlife"] == 1.5
        np.testing.assert_array_equal(result.data, results[0].data)


def test_a_cutout_is_a_part_of_the_whole():
    """With the embedded model; noise tied to the array draws the cut-out anew."""
    from sunpy_superres.data import example_mdi_map

    whole = example_mdi_map().submap([20, 20] * u.pix, width=67 * u.pix, height=67 * u.pix)
    part = whole.submap([9, 7] * u.pix, width=49 * u.pix, height=49 * u.pix)
    ratios = {}
    for noise in ("sun", "array"):
        options = QUICK | {"num_steps": 2, "noise": noise, "return_samples": True}
        a = super_resolve(whole, **options).samples.data[:, 28 : 28 + 200, 36 : 36 + 200]
        b = super_resolve(part, **options).samples.data
        a, b = (m[:, 64:-64, 64:-64] for m in (a, b))
        spread = np.sqrt(np.mean((a[0] - a[1]) ** 2) / 2)
        ratios[noise] = np.sqrt(np.mean((a - b) ** 2)) / spread
    # So small frames also differ in the noise that is estimated on them.
    assert ratios["sun"] < 0.2
    assert ratios["array"] > 0.7
