"""Convolutional kernels against the equations: blank images, zero patches and twins above all."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.matrix import gram_matrix
from ntk_labelqa.kernels.architectures import CONVOLUTIONAL
from ntk_labelqa.kernels.convolution import ConvolutionalNetwork
from ntk_labelqa.kernels.fused_convolution import fused_values
from ntk_labelqa.kernels.neural_tangents_compat import stax
from ntk_labelqa.kernels.precision import precision
from tests import naive


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Noise, its near-twin, one mostly blank, one of two flat halves, one negative, one wholly blank."""
    random = np.random.default_rng(0)
    noise = random.random((5, 4))
    dot, halves = np.zeros((5, 4)), np.zeros((5, 4))
    dot[1, 1], halves[:, 2:] = 1, 1
    return np.stack([noise, noise + 1e-5 * random.random((5, 4)), dot, halves, -noise, np.full((5, 4), 0.7)])


def exact_gram(images: np.ndarray, network: ConvolutionalNetwork) -> np.ndarray:
    inputs = network.prepare(images, np.dtype(np.float64))
    options = {"pooled": network.pooled, "weight": network.weight_variance, "bias": network.bias_variance}
    upper = {
        (i, j): naive.convolutional_ntk(inputs[i], inputs[j], network.strides, **options)
        for i in range(len(inputs))
        for j in range(i, len(inputs))
    }
    return np.array([[upper[min(i, j), max(i, j)] for j in range(len(inputs))] for i in range(len(inputs))])


DEEPER = [pytest.param(name, marks=pytest.mark.long) for name in CONVOLUTIONAL if name != "CNN-1"]
"""The equations, written out for each pair of pixels, take seconds for them."""


@pytest.fixture(scope="module", params=["CNN-1", *DEEPER])
def with_exact_gram(request: pytest.FixtureRequest, images: np.ndarray) -> tuple[str, np.ndarray]:
    return request.param, exact_gram(images, ConvolutionalNetwork(*CONVOLUTIONAL[request.param]))


class TestAgainstTheEquations:
    def test_float64_to_the_last_digits_diagonal_included(self, with_exact_gram, images) -> None:
        architecture, exact = with_exact_gram
        assert np.abs(gram_matrix(images, architecture=architecture) - exact).max() < 1e-11 * exact.max()

    def test_float32_keeps_its_digits_at_cosine_one(self, with_exact_gram, images) -> None:
        architecture, exact = with_exact_gram
        single = gram_matrix(images, architecture=architecture, dtype="float32")
        assert single.dtype == np.float32
        assert np.abs(single - exact).max() < 2e-6 * exact.max()

    def test_the_form_for_gpus_keeps_them_too(self, with_exact_gram, images) -> None:
        architecture, exact = with_exact_gram
        network = ConvolutionalNetwork(*CONVOLUTIONAL[architecture])
        with precision(np.dtype(np.float64)):
            inputs = network.prepare(images, np.dtype(np.float32))
            fused = np.asarray(fused_values(inputs, inputs, network, tile=(2, 2), interpret=True))
        assert np.abs(fused - exact).max() < 2e-6 * exact.max()
        assert (fused[-1] == 0).all()

    def test_a_blank_image_has_no_covariance_with_any(self, with_exact_gram, images) -> None:
        gram = gram_matrix(images, architecture=with_exact_gram[0], dtype="float32")
        assert (gram[-1] == 0).all()
        assert np.isfinite(gram).all()

    def test_the_diagonal_alone_is_the_gram_matrix_s(self, with_exact_gram, images) -> None:
        architecture, exact = with_exact_gram
        network = ConvolutionalNetwork(*CONVOLUTIONAL[architecture])
        diagonal = network.diagonal(network.prepare(images, np.dtype(np.float64)))
        assert np.abs(diagonal - np.diag(exact)).max() < 1e-11 * exact.max()

    def test_the_gram_matrix_is_symmetric_and_positive_semi_definite(self, with_exact_gram, images) -> None:
        gram = gram_matrix(images, architecture=with_exact_gram[0])
        assert (gram == gram.T).all()
        assert np.linalg.eigvalsh(gram).min() > -1e-13 * len(gram) * gram.max()


@pytest.mark.long
@pytest.mark.parametrize(("strides", "pooled"), [((1, 2), False), ((2, 1), True)])
def test_variances_and_inputs_as_they_are(images, strides: tuple[int, ...], pooled: bool) -> None:
    network = ConvolutionalNetwork(strides, pooled, weight_variance=1.3, bias_variance=0.2, standardize=False)
    inputs = network.prepare(images, np.dtype(np.float64))
    assert (inputs[..., 0] == images).all()
    exact = exact_gram(images[:4], network)
    assert np.abs(network.block(inputs[:4]) - exact).max() < 1e-11 * exact.max()


@pytest.mark.long
@pytest.mark.parametrize("architecture", CONVOLUTIONAL)
@pytest.mark.parametrize("shape", [(12, 12, 1), (9, 8, 3)])
def test_agree_with_neural_tangents_where_they_are_exact(architecture: str, shape: tuple[int, ...]) -> None:
    """Noise has no pixels near cosine 1, where arccos would cost them half their digits."""
    import jax

    strides, pooled = CONVOLUTIONAL[architecture]
    count = 3 if pooled else 6
    images = np.random.default_rng(0).normal(size=(count, *shape))
    network = ConvolutionalNetwork(strides, pooled)
    inputs = network.prepare(images, np.dtype(np.float64))
    theirs_of = stax()
    options = {"W_std": 2**0.5, "b_std": None}
    layers = [
        layer
        for stride in strides
        for layer in (theirs_of.Conv(1, (3, 3), (stride, stride), "SAME", **options), theirs_of.Relu())
    ]
    readout = theirs_of.GlobalAvgPool() if pooled else theirs_of.Flatten()
    kernel_fn = theirs_of.serial(*layers, readout, theirs_of.Dense(1, **options))[2]
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        theirs = np.asarray(kernel_fn(inputs, inputs, "ntk"))
    finally:
        jax.config.update("jax_enable_x64", before)
    ours, apart = network.block(inputs), ~np.eye(count, dtype=bool)
    assert np.abs(ours - theirs)[apart].max() < 1e-12 * theirs.max()


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (np.ones((4, 9)), "are no images"),
        (np.ones((4, 3, 8, 9)), "channels first.*"),
        (np.ones((0, 8, 8)), "do not fit"),
        (np.where(np.arange(64).reshape(1, 8, 8) == 9, np.nan, 1.0), "NaN or infinite values: 0"),
    ],
)
def test_features_without_a_kernel_are_refused(features: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        gram_matrix(features, architecture="CNN-1")


def test_brightness_and_contrast_do_not_matter() -> None:
    images = np.random.default_rng(1).random((4, 6, 6))
    seen = gram_matrix(images, architecture="CNN-2")
    assert np.abs(gram_matrix(250 * images - 17, architecture="CNN-2") - seen).max() < 1e-11
