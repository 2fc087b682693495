"""The fused form for GPUs: run as a program of XLA on the processor, and lowered for a GPU without having one."""

from __future__ import annotations

import math
import re
from contextlib import nullcontext

import jax
import numpy as np
import pytest
from jax.experimental.pallas import triton

from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.tiles import panel_length
from ntk_labelqa.kernels import convolution
from ntk_labelqa.kernels.architectures import CONVOLUTIONAL
from ntk_labelqa.kernels.convolution import ConvolutionalNetwork
from ntk_labelqa.kernels.fused_convolution import fused_values
from ntk_labelqa.kernels.precision import precision

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
TRITON = "__gpu$xla.gpu.triton"


def pictures(shape: tuple[int, ...]) -> np.ndarray:
    """Noise, its twin, its near-twin, its negative, one mostly blank, one wholly blank, and more noise."""
    random = np.random.default_rng(0)
    noise, more = random.normal(size=(2, *shape))
    dot = np.zeros(shape)
    dot[0, 0] = 1
    near = noise + 1e-5 * random.random(shape)
    return np.stack([noise, noise, near, -noise, dot, np.full(shape, 0.7), more])


def fused(network: ConvolutionalNetwork, rows: np.ndarray, columns: np.ndarray, longest: int = 3) -> np.ndarray:
    """In tiles, parts and strips that are small, so that there are several of each, filled up."""
    with precision(FLOAT64):
        program = jax.jit(
            lambda a, b: fused_values(a, b, network, tile=(2, 4), at_once=4, longest=longest, interpret=True)
        )
        return np.asarray(program(rows, columns))


def case(name: str, strides: tuple[int, ...], pooled: bool, shape: tuple[int, ...], long: bool = True, **options):
    return pytest.param(strides, pooled, shape, options, id=name, marks=[pytest.mark.slow] if long else [])


SHAPES = [
    case("a row in strips", (1, 1), False, (5, 9, 1), long=False),
    case("odd size with a stride, channels, bias", (2, 1), False, (7, 5, 2), long=False, bias_variance=0.2),
    case("pooled, odd size with a stride", (2, 1), True, (5, 7, 1), long=False),
    case("one layer", (1,), False, (5, 7, 2)),
    case("a stride above a layer, pixels as they are", (1, 2), False, (5, 6, 1), standardize=False),
    case("pooled, a stride above a layer, bias", (1, 2), True, (5, 6, 2), weight_variance=1.3, bias_variance=0.2),
    case("pooled, fewer columns than a patch", (1, 1, 1), True, (5, 1, 1)),
    case("pooled, in strips", (1, 1), True, (5, 9, 1)),
    case("CNN-3", (2, 2, 1), True, (9, 8, 1)),
    case("deep and narrow", (1, 1, 1, 1), False, (5, 2, 1)),
    case("a stride as long as a patch", (3, 1), False, (7, 9, 1)),
    case("a stride longer than a patch", (1, 4), False, (8, 9, 1)),
]


@pytest.mark.parametrize(("strides", "pooled", "shape", "options"), SHAPES)
def test_float32_is_as_exact_as_the_other_form(strides, pooled, shape, options) -> None:
    network = ConvolutionalNetwork(strides, pooled, **options)
    inputs = network.prepare(pictures(shape), FLOAT32)
    exact = network.block(np.asarray(inputs, np.float64))
    found = fused(network, inputs, inputs[:5])
    assert found.dtype == np.float32
    assert np.abs(found - exact[:, :5]).max() < 2e-6 * exact.max()


@pytest.mark.parametrize(("strides", "pooled", "shape"), [((1, 1), False, (5, 4, 1)), ((2, 1), True, (5, 4, 1))])
def test_float64_is_exact_to_the_last_digits(strides, pooled, shape) -> None:
    network = ConvolutionalNetwork(strides, pooled)
    inputs = network.prepare(pictures(shape), FLOAT64)
    exact = network.block(inputs)
    assert np.abs(fused(network, inputs, inputs) - exact).max() < 1e-11 * exact.max()


def test_one_image_with_one() -> None:
    network = ConvolutionalNetwork((1, 1))
    inputs = network.prepare(pictures((5, 4)), FLOAT32)[2:3]
    assert np.abs(fused(network, inputs, inputs) / network.diagonal(np.asarray(inputs, np.float64)) - 1).max() < 2e-6


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if jax had a GPU that the fused form is for."""
    monkeypatch.setattr(convolution, "_fused", lambda: True)


def lowered_for_cuda(architecture: str, dtype: np.dtype, shape: tuple[int, ...]) -> str:
    """The program for the values of 64 images with 64, as jax hands it to XLA on a machine with a GPU."""
    network = ConvolutionalNetwork(*CONVOLUTIONAL[architecture])
    with precision(FLOAT64), as_if_on_gpu():
        images = jax.ShapeDtypeStruct((64, *shape), dtype)
        return jax.jit(network.values).trace(images, images).lower(lowering_platforms=("cuda",)).as_text()


def as_if_on_gpu():
    """Newer releases of jax ask which GPU it is to be; older ones take one that Triton knows."""
    if jax.__version_info__ < (0, 11):
        return nullcontext()
    device = jax.sharding.AbstractDevice(device_kind="NVIDIA H200", num_cores=None, platform="gpu")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=device))


def largest_array(program: str) -> int:
    """Elements of the largest array in a program."""
    return max(
        math.prod(map(int, found.split("x")[:-1])) for found in re.findall(r"tensor<((?:\d+x)+)[fi]\d+>", program)
    )


needs_triton = pytest.mark.skipif(not hasattr(triton, "CompilerParams"), reason="this jax is older than 0.7")


@needs_triton
@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("architecture", CONVOLUTIONAL)
@pytest.mark.parametrize(("dtype", "shape"), [(FLOAT32, (28, 28, 1)), (FLOAT64, (32, 32, 3))])
def test_it_is_one_triton_kernel_on_a_gpu_without_an_array_of_pairs_and_pixels(architecture, dtype, shape) -> None:
    program = lowered_for_cuda(architecture, dtype, shape)
    assert program.count(TRITON) == 1
    pixels = math.prod(-(-side // CONVOLUTIONAL[architecture][0][0]) for side in shape[:2])
    assert largest_array(program) < 64 * 64 * pixels


def test_a_processor_takes_the_form_that_its_caches_are_for() -> None:
    program = lowered_for_cuda("CNN-2", FLOAT32, (28, 28, 1))
    assert TRITON not in program
    assert largest_array(program) >= 64 * 64 * 28 * 28


@pytest.mark.usefixtures("on_gpu")
def test_panels_on_a_gpu_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    images = np.zeros((60_000, 28, 28, 1), np.float32)
    for architecture in CONVOLUTIONAL:
        network = ConvolutionalNetwork(*CONVOLUTIONAL[architecture])
        assert panel_length(network, images, 3000, 8192) == 8192


@needs_triton
@pytest.mark.parametrize(
    ("version", "capability", "expected"),
    [("cuda 12080", "9.0", True), ("cuda 12080", "7.5", False), ("rocm 60200", "gfx942", False)],
)
def test_gpus_that_it_is_compiled_for(monkeypatch: pytest.MonkeyPatch, version, capability, expected) -> None:
    class Client:
        platform_version = version

    class Device:
        platform = "gpu"
        client = Client()
        compute_capability = capability

    monkeypatch.setattr(convolution, "device_in_use", Device)
    assert convolution._fused() is expected
